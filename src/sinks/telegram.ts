import * as z from '../core/schema/zod.ts';
import { type Delivery, type OutgoingNotification, isGroup } from '../core/notify/delivery.ts';
import { truncate } from '../core/notify/template.ts';
import type { TextContext } from '../core/notify/text/sentence.ts';
import { flag, text } from '../core/schema/fields.ts';
import type { NotificationSink } from '../ports/notification.ts';
import { httpUrl, needs, textFields, tokenFields } from './fields.ts';
import { hostOf } from './http.ts';
import { type SinkDeps, defineSink, groupFields, mayBeAnswered, sinkSchema } from './sink.ts';
import { callTelegram } from './telegram-api.ts';
import { type ButtonChat, TelegramButtons, buttonData } from './telegram-buttons.ts';
import { DeliveryTexts, answerLabels } from './delivery-texts.ts';

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
    buttons: flag(
      false,
      'buttons that acknowledge an alert or silence it for two hours; the bot must have no webhook, and no other program that asks for its updates',
    ),
    users: z
      .array(z.int().min(1))
      .max(100)
      .default([])
      .describe('ids of the users who may press the buttons; empty: everyone in the chat'),
  },
})
  .superRefine(needs('token'))
  .refine(({ buttons, users, chat }) => !buttons || users.length > 0 || !String(chat).startsWith('@'), {
    path: ['users'],
    error: 'is missing: everyone on the internet could press the buttons of a public channel',
  });

type Config = z.output<typeof schema>;

/** Telegram refuses longer messages; in UTF-16 code units. */
const MAX_MESSAGE = 4096;
/** One message for each notification or group: the title in bold, as an entity and not as markup, so that no name can format it. */
class TelegramSink implements NotificationSink {
  readonly kind = 'telegram';
  readonly deliveryMode = 'group';
  readonly #config: Config;
  readonly #texts: DeliveryTexts;

  constructor(config: Config, deps: SinkDeps) {
    this.#config = config;
    this.#texts = new DeliveryTexts(config, deps);
  }

  async send(given: Delivery, signal: AbortSignal): Promise<void> {
    const { delivery, first, look, title, body, context } = await this.#texts.of(given);
    const { chat, thread, silent } = this.#config;
    await this.#call('sendMessage', signal, {
      chat_id: chat,
      ...(thread === undefined ? {} : { message_thread_id: thread }),
      text: withinUnits(`${title}\n${body}`, MAX_MESSAGE),
      entities: [{ type: 'bold', offset: 0, length: title.length }],
      disable_notification: silent.includes(look),
      link_preview_options: { is_disabled: true },
      ...(isGroup(delivery) || !mayBeAnswered(first) ? {} : keyboardOf(first, this.#config, context)),
    });
  }

  /** Sends nothing: asks for the chat, which needs the token and the membership. */
  async probe(signal: AbortSignal): Promise<string> {
    const answer = await this.#call('getChat', signal, { chat_id: this.#config.chat });
    const title = /"(?:title|username|first_name)":"([^"\\]{1,60})"/.exec(answer)?.[1];
    return `${hostOf(this.#config.url)} knows the chat${title === undefined ? '' : ` ${title}`}`;
  }

  async close(): Promise<void> {}

  #call(method: string, signal: AbortSignal, parameters: object): Promise<string> {
    return callTelegram(this.#config, method, parameters, { signal });
  }
}

/** Buttons that acknowledge or silence here; else links that ask first. */
function keyboardOf(
  notification: OutgoingNotification,
  { buttons }: Pick<Config, 'buttons'>,
  context: TextContext,
): object {
  const { alertId, links } = notification;
  const { acknowledge, silence } = answerLabels(context);
  const row = buttons
    ? [
        { text: acknowledge, callback_data: buttonData('ack', alertId) },
        { text: silence, callback_data: buttonData('silence', alertId) },
      ]
    : links === undefined
      ? []
      : [
          { text: acknowledge, url: links.acknowledge },
          { text: silence, url: links.silence },
        ];
  return row.length === 0 ? {} : { reply_markup: { inline_keyboard: [row] } };
}

/** Cut between two characters. */
function withinUnits(message: string, units: number): string {
  let cut = message;
  for (let most = units; cut.length > units; most -= cut.length - units) cut = truncate(message, most);
  return cut;
}

/** One for each bot: Telegram gives each press once, whichever chat it is in. */
function buttonsOf(sinks: readonly Config[]): readonly TelegramButtons[] {
  const bots = new Map<string, { readonly bot: Config; readonly chats: ButtonChat[] }>();
  for (const sink of sinks) {
    const key = JSON.stringify([sink.url, sink.token, sink.token_file]);
    const chats: ButtonChat[] = bots.get(key)?.chats ?? [];
    chats.push({ sink: sink.name, chat: sink.chat, users: sink.users });
    bots.set(key, { bot: sink, chats });
  }
  return [...bots.values()].map(({ bot, chats }) => new TelegramButtons(bot, chats));
}

export const telegram = defineSink({
  schema,
  example: { kind: 'telegram', url: 'https://api.telegram.org', token: 'secret', chat: -1001234567890 },
  buttons: { isOn: ({ buttons }) => buttons, sourcesOf: buttonsOf },
  make: (config, deps) => new TelegramSink(config, deps),
});
