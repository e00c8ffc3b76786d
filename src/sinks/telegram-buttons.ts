import { createHash } from 'node:crypto';
import { oneLine } from '../core/notify/one-line.ts';
import { truncate } from '../core/notify/template.ts';
import type { ButtonAnswer, ButtonPress, ButtonSource } from '../ports/notification.ts';
import { SinkError } from '../core/notify/sink-error.ts';
import { type TelegramBot, callTelegram } from './telegram-api.ts';

/** A chat that gets notifications with buttons, and who may press them. */
export interface ButtonChat {
  /** The sink. */
  readonly sink: string;
  readonly chat: number | string;
  /** Ids of users; empty: everyone in the chat. */
  readonly users: readonly number[];
}

const DATA = /^(ack|silence):([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})$/;

/** At most 64 bytes, as the Bot API asks for. */
export const buttonData = (action: 'ack' | 'silence', alertId: string): string =>
  `${action}:${alertId.replaceAll('-', '')}`;

/** The part of an update (`getUpdates`) that is used. */
interface Update {
  readonly update_id: number;
  readonly callback_query?: {
    readonly id: string;
    readonly from: {
      readonly id: number;
      readonly first_name?: string;
      readonly last_name?: string;
      readonly username?: string;
    };
    readonly message?: {
      readonly message_id: number;
      readonly chat: { readonly id: number; readonly username?: string };
      readonly text?: string;
      readonly entities?: readonly unknown[];
    };
    readonly data?: string;
  };
}

type Query = NonNullable<Update['callback_query']>;

const POLL_S = 25;
const MOST_UPDATES = 20;
const ANSWER_BYTES = 1024 * 1024;
const MOST_NAME = 60;
/** Characters of the answer to a press. */
const MOST_ANSWER = 200;
const MOST_MESSAGE = 4096;

/**
 * The presses of a bot's buttons, by long polling. Telegram keeps an update until a later one is asked for: what was not settled
 * when the daemon ended comes again.
 */
export class TelegramButtons implements ButtonSource {
  readonly name: string;
  readonly #bot: TelegramBot;
  readonly #chats: readonly ButtonChat[];
  #offset: number | undefined;

  constructor(bot: TelegramBot, chats: readonly ButtonChat[]) {
    const identity = `${bot.url} ${bot.token ?? ''} ${bot.token_file ?? ''}`;
    this.name = `buttons-${createHash('sha256').update(identity).digest('hex').slice(0, 16)}`;
    this.#bot = bot;
    this.#chats = chats;
  }

  async poll(signal: AbortSignal): Promise<readonly ButtonPress[]> {
    const text = await callTelegram(
      this.#bot,
      'getUpdates',
      {
        ...(this.#offset === undefined ? {} : { offset: this.#offset }),
        ...{ timeout: POLL_S, limit: MOST_UPDATES, allowed_updates: ['callback_query'] },
      },
      { signal, maxAnswer: ANSWER_BYTES },
    );
    const { result = [] } = JSON.parse(text) as { readonly result?: readonly Update[] };
    return result.map((update) => this.#pressOf(update));
  }

  #pressOf({ update_id: id, callback_query: query }: Update): ButtonPress {
    const settled = () => {
      this.#offset = Math.max(this.#offset ?? 0, id + 1);
    };
    const ignored = { asked: undefined, refuse: undefined, answer: async () => {}, settled };
    const [, action, ...parts] = DATA.exec(query?.data ?? '') ?? [];
    const [anyChat] = this.#chats;
    // A button of another program of this bot.
    if (query === undefined || action === undefined || anyChat === undefined) return ignored;
    const chat = this.#chats.find((each) => isOf(each, query));
    const isAllowed = chat !== undefined && (chat.users.length === 0 || chat.users.includes(query.from.id));
    const sink = (chat ?? anyChat).sink;
    return {
      asked: isAllowed
        ? {
            action: action as 'ack' | 'silence',
            alertId: parts.join('-'),
            by: `${nameOf(query)} (${sink})`,
            requestId: `telegram:${query.id}`,
          }
        : undefined,
      refuse: isAllowed
        ? undefined
        : {
            by: nameOf(query),
            userId: query.from.id,
            chat: query.message?.chat.id,
            reason: chat === undefined ? 'chat' : 'user',
          },
      sink,
      answer: (answer, signal) => this.#answer(query, answer, signal),
      settled,
    };
  }

  /** To the one who pressed it; and the message says so to the others, without its buttons. The same answer may be given again. */
  async #answer(query: Query, { said, isDone }: ButtonAnswer, signal: AbortSignal): Promise<void> {
    const { message } = query;
    if (isDone && message?.text !== undefined)
      await this.#call('editMessageText', signal, {
        chat_id: message.chat.id,
        message_id: message.message_id,
        text: truncate(`${message.text}\n✓ ${said}`, MOST_MESSAGE),
        ...(message.entities === undefined ? {} : { entities: message.entities }),
        link_preview_options: { is_disabled: true },
      });
    await this.#call('answerCallbackQuery', signal, {
      callback_query_id: query.id,
      text: truncate(said, MOST_ANSWER),
      show_alert: !isDone,
    });
  }

  async #call(method: string, signal: AbortSignal, parameters: object): Promise<void> {
    try {
      await callTelegram(this.#bot, method, parameters, { signal });
    } catch (error) {
      // It is as it should be already ("message is not modified"), too old, or the bot has left the chat: the presses behind it must not wait.
      if (error instanceof SinkError && (error.fault === 'refused' || error.fault === 'setup')) return;
      throw error;
    }
  }
}

const isOf = ({ chat }: ButtonChat, { message }: Query): boolean =>
  message !== undefined &&
  (String(chat) === String(message.chat.id) ||
    (message.chat.username !== undefined && String(chat) === `@${message.chat.username}`));

function nameOf({ from: { id, first_name: first, last_name: last, username } }: Query): string {
  const name = [first, last].filter((part) => part !== undefined && part !== '').join(' ');
  const shown = [name, username === undefined ? '' : `@${username}`].filter((part) => part !== '').join(' ');
  return truncate(oneLine(shown === '' ? `user ${id}` : shown), MOST_NAME);
}
