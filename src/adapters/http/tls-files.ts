import { readFileSync } from 'node:fs';
import { type SecureContextOptions, createSecureContext } from 'node:tls';
import { FieldwatchError, messageOf } from '../../core/errors.ts';

export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/** Certificate and key as they are now. Throws where they cannot be used. */
export function readTlsFiles({ certFile, keyFile }: TlsFiles): SecureContextOptions {
  try {
    const context = { cert: readFileSync(certFile), key: readFileSync(keyFile) };
    createSecureContext(context);
    return context;
  } catch (cause) {
    throw new FieldwatchError(`http.tls: ${certFile} and ${keyFile} cannot be used: ${messageOf(cause)}`, {
      ...{ code: 'HTTP_TLS_FILE', kind: 'config', cause },
      remedy: 'Both have to be PEM, belong together, and be readable for the user of the daemon.',
    });
  }
}
