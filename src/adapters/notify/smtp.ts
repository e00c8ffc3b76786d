import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { type Transporter, createTransport } from 'nodemailer';
import { messageOf } from '../../core/errors.ts';
import type { Delivery } from '../../core/notify/delivery.ts';
import { bodyOf, firstOf, titleOf } from '../../core/notify/messages.ts';
import { SinkError, type SinkFault } from '../../core/notify/sink-error.ts';
import type { Template } from '../../core/notify/template.ts';
import type { NotificationSink } from '../../ports/notification.ts';
import { certificateFault } from './certificate.ts';
import { clean } from './http.ts';

export interface SmtpSinkOptions {
  readonly host: string;
  readonly port: number;
  /** `required` STARTTLS or nothing · `implicit` TLS from the first byte · `opportunistic` if offered · `off` */
  readonly tls: 'required' | 'implicit' | 'opportunistic' | 'off';
  readonly caFile: string | undefined;
  readonly credentials: () => {
    readonly username?: string | undefined;
    readonly password?: string | undefined;
  };
  readonly from: string;
  readonly to: readonly string[];
  readonly timeoutMs: number;
  readonly title?: Template | undefined;
  readonly body?: Template | undefined;
}

/** Mail by SMTP, a connection for each: so a rotated password or certificate is used at once. */
export class SmtpSink implements NotificationSink {
  readonly kind = 'smtp';
  readonly deliveryMode = 'group';
  readonly #options: SmtpSinkOptions;

  constructor(options: SmtpSinkOptions) {
    this.#options = options;
  }

  async send(delivery: Delivery, signal: AbortSignal): Promise<void> {
    const { from, to } = this.#options;
    const { alertId, seq, severity } = firstOf(delivery);
    await this.#withTransport(signal, (transport) =>
      transport.sendMail({
        from,
        to: [...to],
        subject: titleOf(delivery, this.#options),
        text: `${bodyOf(delivery, this.#options)}\n`,
        // The same at every attempt; and mail programs show the mails of an episode together.
        messageId: `<${alertId}.${seq}@fieldwatch>`,
        references: [`<${alertId}@fieldwatch>`],
        headers: { 'auto-submitted': 'auto-generated' },
        priority: severity === 'critical' ? 'high' : 'normal',
        disableFileAccess: true,
        disableUrlAccess: true,
      }),
    );
  }

  async probe(signal: AbortSignal): Promise<string> {
    await this.#withTransport(signal, (transport) => transport.verify());
    const { host, port, credentials } = this.#options;
    return `${host}:${port} ${credentials().username === undefined ? 'answers' : 'takes the credentials'}`;
  }

  async close(): Promise<void> {}

  async #withTransport(
    signal: AbortSignal,
    run: (transport: Transporter) => Promise<unknown>,
  ): Promise<void> {
    const { username, password = '' } = this.#options.credentials();
    const transport = createTransport(await this.#settings(username, password));
    const aborted = new Promise<never>((_, reject) => {
      const give = () => reject(new SinkError('away', 'given up'));
      if (signal.aborted) give();
      else signal.addEventListener('abort', give, { once: true });
    });
    try {
      await Promise.race([run(transport as Transporter), aborted]);
    } catch (error) {
      if (error instanceof SinkError) throw error;
      const { host, port } = this.#options;
      const encoded = Buffer.from(`\0${username ?? ''}\0${password}`).toString('base64');
      const said = clean(messageOf(error), [password, encoded, Buffer.from(password).toString('base64')]);
      throw new SinkError(faultOf(error), `${host}:${port}: ${said}`);
    } finally {
      aborted.catch(() => undefined);
      transport.close();
    }
  }

  async #settings(username: string | undefined, password: string) {
    const { host, port, tls, caFile, timeoutMs } = this.#options;
    const ca = caFile === undefined ? undefined : await readFile(caFile);
    return {
      host,
      port,
      secure: tls === 'implicit',
      requireTLS: tls === 'required',
      ignoreTLS: tls === 'off',
      connectionTimeout: timeoutMs,
      greetingTimeout: timeoutMs,
      socketTimeout: timeoutMs,
      // An address is no name for SNI (Node 26 refuses it); the certificate is compared with `host` either way.
      tls: { ...(isIP(host) === 0 ? { servername: host } : {}), ...(ca === undefined ? {} : { ca }) },
      ...(username === undefined ? {} : { auth: { user: username, pass: password } }),
    };
  }
}

/** 5xx to an envelope or a message is final; what the operator can fix is retried. */
function faultOf(error: unknown): SinkFault {
  const { code, responseCode } = error as { code?: unknown; responseCode?: unknown };
  if (code === 'EAUTH' || code === 'ENOAUTH') return 'auth';
  if (certificateFault(error) !== undefined) return 'certificate';
  if (code === 'ETLS' || code === 'ECONFIG') return 'setup';
  if (typeof responseCode === 'number' && responseCode >= 500)
    return [530, 534, 535, 538].includes(responseCode) ? 'auth' : 'refused';
  return 'away';
}
