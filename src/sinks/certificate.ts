/** Codes of Node for a refused certificate, and for a TLS handshake that fails because of one. */
const CERTIFICATE_CODE =
  /^(CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|ERR_TLS_CERT|HOSTNAME_MISMATCH|ERR_SSL_.*(CERT|UNKNOWN_CA))/;
/** nodemailer replaces Node's code by its own, and keeps the text. */
const MAIL_CODES: readonly unknown[] = ['ESOCKET', 'ETLS', 'ECONNECTION'];
const CERTIFICATE_WORDS = /certificate|self-signed|altnames/i;
const MAX_CAUSES = 5;

/**
 * The code with which the certificate of the other side, or ours at the other side, was refused; undefined when the error
 * is another one. Looks through causes, where fetch hides it.
 */
export function certificateFault(error: unknown): string | undefined {
  let at = error;
  for (let depth = 0; typeof at === 'object' && at !== null && depth < MAX_CAUSES; depth++) {
    const { code, message, cause } = at as { code?: unknown; message?: unknown; cause?: unknown };
    if (typeof code === 'string' && CERTIFICATE_CODE.test(code)) return code;
    if (MAIL_CODES.includes(code) && CERTIFICATE_WORDS.test(String(message))) return String(code);
    at = cause;
  }
  return undefined;
}
