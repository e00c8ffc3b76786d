import { SinkError } from '../core/notify/sink-error.ts';
import { secretNow } from '../lib/secret-file.ts';
import { type AnswerFault, request } from './http.ts';

/** A bot: where its API is, and its token. */
export interface TelegramBot {
  readonly url: string;
  readonly token?: string | undefined;
  readonly token_file?: string | undefined;
}

/** Answers to a request that the bot or the chat is wrong for, whatever it says: the operator has to act. */
const SETUP =
  /chat not found|group chat was upgraded|thread not found|not enough rights|have no rights|kicked|blocked|deactivated|not a member|terminated by other getUpdates|webhook is active/i;

/** One method of the Bot API; resolves with the answer as it came. */
export async function callTelegram(
  { url, token: given, token_file: file }: TelegramBot,
  method: string,
  parameters: object,
  { signal, maxAnswer }: { readonly signal: AbortSignal; readonly maxAnswer?: number },
): Promise<string> {
  const token = secretNow(given, file) ?? '';
  // In the path of the URL it must be a path segment, whatever is in its file.
  if (!/^[\w:-]+$/.test(token)) throw new SinkError('auth', 'the token is no bot token: 123456:ABC…');
  return request(
    {
      url: `${url.replace(/\/+$/, '')}/bot${token}/${method}`,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(parameters),
      secrets: [token],
      faultOf: telegramFault,
      ...(maxAnswer === undefined ? {} : { maxAnswer }),
    },
    signal,
  );
}

/** An unknown token is a 401, or a 404 since it is part of the path; how long to wait stands in the body. */
function telegramFault(status: number, answer: string): AnswerFault | undefined {
  if (status === 404) return { fault: 'auth' };
  if ((status === 400 || status === 403 || status === 409) && SETUP.test(answer)) return { fault: 'setup' };
  const seconds = /"retry_after":(\d{1,6})\b/.exec(answer)?.[1];
  return status === 429 && seconds !== undefined
    ? { fault: 'away', retryAfterMs: Number(seconds) * 1000 }
    : undefined;
}
