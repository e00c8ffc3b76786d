import { readFile } from 'node:fs/promises';
import type { Transporter } from 'nodemailer';
import * as z from '../core/schema/zod.ts';
import { messageOf } from '../core/errors.ts';
import { type Delivery, deliveryKeyOf } from '../core/notify/delivery.ts';
import { titleOf } from '../core/notify/messages.ts';
import { SinkError, type SinkFault } from '../core/notify/sink-error.ts';
import { port, readFilePath, text } from '../core/schema/fields.ts';
import { secretNow } from '../lib/secret-file.ts';
import { unlessAborted } from '../lib/timeout.ts';
import type { NotificationSink } from '../ports/notification.ts';
import { certificateFault } from './certificate.ts';
import { oneCredential, passwordFields, textFields } from './fields.ts';
import { clean } from './http.ts';
import { type SinkDeps, defineSink, groupFields, sinkSchema } from './sink.ts';
import { type DeliveryText, DeliveryTexts, answerLabels } from './delivery-texts.ts';

const address = text('address, such as alerts@example.org').regex(
  /^[^\r\n]*[^\s@<>]+@[^\s@<>]+>?$/,
  'is no mail address',
);

const schema = sinkSchema({
  kind: 'smtp',
  summary: 'mail',
  description: 'sends mail',
  perMinute: 30,
  fields: {
    ...groupFields,
    ...textFields,
    host: text('mail server'),
    port: port(587, '587 with STARTTLS, 465 with implicit TLS, 25 between servers'),
    tls: z
      .enum(['required', 'implicit', 'opportunistic', 'off'])
      .default('required')
      .describe('required: STARTTLS or no mail; implicit: TLS from the start; opportunistic: if offered'),
    ca_file: readFilePath('PEM file of the authority that signed the server certificate').optional(),
    ...passwordFields,
    from: address,
    to: z.array(address).min(1).max(50).describe('recipients'),
  },
})
  .superRefine(oneCredential)
  .refine(({ tls, username }) => username === undefined || tls === 'required' || tls === 'implicit', {
    path: ['tls'],
    error: 'must be required or implicit: the password would travel in clear text',
  });

type Config = z.output<typeof schema>;

/** Mail by SMTP, a connection for each: so a rotated password or certificate is used at once. */
class SmtpSink implements NotificationSink {
  readonly kind = 'smtp';
  readonly deliveryMode = 'group';
  readonly #config: Config;
  readonly #texts: DeliveryTexts;

  constructor(config: Config, deps: SinkDeps) {
    this.#config = config;
    this.#texts = new DeliveryTexts(config, deps);
  }

  async send(delivery: Delivery, signal: AbortSignal): Promise<void> {
    const message = await this.#texts.of(delivery);
    const { from, to } = this.#config;
    const { alertId, severity } = message.first;
    await this.#withTransport(signal, (transport) =>
      transport.sendMail({
        from,
        to: [...to],
        subject: message.title,
        text: `${this.#textOf(message)}\n`,
        // Equal for every attempt; and mail programs show the mails of an episode together.
        messageId: `<${deliveryKeyOf(message.first, '.')}@fieldwatch>`,
        references: [`<${alertId}@fieldwatch>`],
        headers: { 'auto-submitted': 'auto-generated' },
        priority: severity === 'critical' ? 'high' : 'normal',
        disableFileAccess: true,
        disableUrlAccess: true,
      }),
    );
  }

  /** The built-in text says in the mail, too, what its subject says, and has the links. */
  #textOf({ delivery, first: { links }, body, context }: DeliveryText): string {
    if (this.#texts.hasBody) return body;
    const { acknowledge, silence } = answerLabels(context);
    return [
      titleOf(delivery, {}, context),
      body,
      ...(links === undefined
        ? []
        : ['', `${acknowledge}: ${links.acknowledge}`, `${silence}: ${links.silence}`]),
    ].join('\n');
  }

  async probe(signal: AbortSignal): Promise<string> {
    await this.#withTransport(signal, (transport) => transport.verify());
    const { host, port, username } = this.#config;
    return `${host}:${port} ${username === undefined ? 'answers' : 'takes the credentials'}`;
  }

  async close(): Promise<void> {}

  async #withTransport(
    signal: AbortSignal,
    run: (transport: Transporter) => Promise<unknown>,
  ): Promise<void> {
    const { username } = this.#config;
    const password = secretNow(this.#config.password, this.#config.password_file) ?? '';
    // Loaded by the first mail: most configurations send none.
    const { createTransport } = await import('nodemailer');
    const transport = createTransport(await this.#settings(username, password));
    try {
      await unlessAborted(run(transport as Transporter), signal, () => new SinkError('away', 'given up'));
    } catch (error) {
      if (error instanceof SinkError) throw error;
      const { host, port } = this.#config;
      const encoded = Buffer.from(`\0${username ?? ''}\0${password}`).toString('base64');
      const said = clean(messageOf(error), [password, encoded, Buffer.from(password).toString('base64')]);
      throw new SinkError(faultOf(error), `${host}:${port}: ${said}`);
    } finally {
      transport.close();
    }
  }

  async #settings(username: string | undefined, password: string) {
    const { host, port, tls, ca_file: caFile, timeout } = this.#config;
    const { isIP } = await import('node:net');
    const ca = caFile === undefined ? undefined : await readFile(caFile);
    return {
      host,
      port,
      secure: tls === 'implicit',
      requireTLS: tls === 'required',
      ignoreTLS: tls === 'off',
      connectionTimeout: timeout,
      greetingTimeout: timeout,
      socketTimeout: timeout,
      // An address is no name for SNI (Node 26 refuses it); the certificate is compared with `host` either way.
      tls: { ...(isIP(host) === 0 ? { servername: host } : {}), ...(ca === undefined ? {} : { ca }) },
      ...(username === undefined ? {} : { auth: { user: username, pass: password } }),
    };
  }
}

export const smtp = defineSink({
  schema,
  example: {
    kind: 'smtp',
    host: 'mail.example',
    from: 'fieldwatch <fieldwatch@example.org>',
    to: ['ops@example.org', 'night@example.org'],
    username: 'fieldwatch',
    password: 'secret',
  },
  make: (config, deps) => new SmtpSink(config, deps),
});

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
