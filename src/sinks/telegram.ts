import * as z from '../core/schema/zod.ts';
import { type Delivery, statusOf } from '../core/notify/delivery.ts';
import { type MessageTexts, bodyOf, firstOf, titleOf } from '../core/notify/messages.ts';
import { SinkError } from '../core/notify/sink-error.ts';
import { truncate } from '../core/notify/template.ts';
import { text } from '../core/schema/fields.ts';
import { secretNow } from '../lib/secret-file.ts';
import type { NotificationSink } from '../ports/notification.ts';
import { httpUrl, needs, textFields, textsOf, tokenFields } from './fields.ts';
import { type AnswerFault, hostOf, request } from './http.ts';
import { type SinkDeps, defineSink, groupFields, sinkSchema, textContext, withRecent } from './sink.ts';

const schema = sinkSchema({
  kind: 'telegram',
  summary: 'messages of a bot in a Telegram chat',
  description: 'sends messages as a Telegram bot',
  // The bound of Telegram for one group.
  perMinute: 20,
  fields: {
    ...groupFields,
    ...textFields,
    url: httpUrl('the Bot API, or a Bot API server of your own').default('https://api.telegram.org'),
    ...tokenFields,
    chat: z
      .union([z.int(), text('id').regex(/^(@\w{4,64}|-?\d{1,20})$/, 'must be a number or @channel')])
      .describe('id of the chat, negative for a group, or @name of a public channel'),
    thread: z.int().min(1).optional().describe('topic of a group that has topics: its message_thread_id'),
    silent: z
      .array(z.enum(['info', 'warning', 'critical', 'resolved']))
      .max(4)
      .default(['info'])
      .describe('arrive without a sound: alerts of these severities, or resolved'),
  },
}).superRefine(needs('token'));

type Config = z.output<typeof schema>;

/** Telegram refuses longer messages; in UTF-16 code units. */
const MAX_MESSAGE = 4096;
/** Answers to a request that the bot or the chat is wrong for, whatever it says: the operator has to act. */
const SETUP =
  /chat not found|group chat was upgraded|thread not found|not enough rights|have no rights|kicked|blocked|deactivated|not a member/i;

/** One message for each notification or group: the title in bold, as an entity and not as markup, so that no name can format it. */
class TelegramSink implements NotificationSink {
  readonly kind = 'telegram';
  readonly deliveryMode = 'group';
  readonly #config: Config;
  readonly #texts: MessageTexts;
  readonly #deps: SinkDeps;

  constructor(config: Config, deps: SinkDeps) {
    this.#config = config;
    this.#deps = deps;
    this.#texts = textsOf(config);
  }

  async send(given: Delivery, signal: AbortSignal): Promise<void> {
    const delivery = await withRecent(given, this.#deps);
    const context = textContext(this.#config, this.#deps);
    const { chat, thread, silent } = this.#config;
    const first = firstOf(delivery);
    const title = titleOf(delivery, this.#texts, context);
    const over = statusOf(first) === 'resolved' ? 'resolved' : first.severity;
    await this.#call('sendMessage', signal, {
      chat_id: chat,
      ...(thread === undefined ? {} : { message_thread_id: thread }),
      text: withinUnits(`${title}\n${bodyOf(delivery, this.#texts, context)}`, MAX_MESSAGE),
      entities: [{ type: 'bold', offset: 0, length: title.length }],
      disable_notification: silent.includes(over),
      link_preview_options: { is_disabled: true },
    });
  }

  /** Sends nothing: asks for the chat, which needs the token and the membership. */
  async probe(signal: AbortSignal): Promise<string> {
    const answer = await this.#call('getChat', signal, { chat_id: this.#config.chat });
    const title = /"(?:title|username|first_name)":"([^"\\]{1,60})"/.exec(answer)?.[1];
    return `${hostOf(this.#config.url)} knows the chat${title === undefined ? '' : ` ${title}`}`;
  }

  async close(): Promise<void> {}

  async #call(method: string, signal: AbortSignal, parameters: object): Promise<string> {
    const token = secretNow(this.#config.token, this.#config.token_file) ?? '';
    // In the path of the URL it must be a path segment, whatever is in its file.
    if (!/^[\w:-]+$/.test(token)) throw new SinkError('auth', 'the token is no bot token: 123456:ABC…');
    return request(
      {
        url: `${this.#config.url.replace(/\/+$/, '')}/bot${token}/${method}`,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(parameters),
        secrets: [token],
        faultOf: telegramFault,
      },
      signal,
    );
  }
}

/** An unknown token is a 401, or a 404 since it is part of the path; how long to wait stands in the body. */
function telegramFault(status: number, answer: string): AnswerFault | undefined {
  if (status === 404) return { fault: 'auth' };
  if ((status === 400 || status === 403) && SETUP.test(answer)) return { fault: 'setup' };
  const seconds = /"retry_after":(\d{1,6})\b/.exec(answer)?.[1];
  return status === 429 && seconds !== undefined
    ? { fault: 'away', retryAfterMs: Number(seconds) * 1000 }
    : undefined;
}

/** Cut between two characters. */
function withinUnits(message: string, units: number): string {
  let cut = message;
  for (let most = units; cut.length > units; most -= cut.length - units) cut = truncate(message, most);
  return cut;
}

export const telegram = defineSink({
  schema,
  example: { kind: 'telegram', url: 'https://api.telegram.org', token: 'secret', chat: -1001234567890 },
  make: (config, deps) => new TelegramSink(config, deps),
});
