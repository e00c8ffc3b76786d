import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createMetrics } from '../../../src/adapters/http/metrics.ts';
import { createSystemClock } from '../../../src/adapters/system/clock.ts';
import type { AnswerResult } from '../../../src/core/notify/text/answer.ts';
import { LANGUAGES } from '../../../src/core/notify/text/languages.ts';
import type { ButtonPress } from '../../../src/ports/notification.ts';
import { ButtonListener } from '../../../src/services/notify/button-listener.ts';
import { type ButtonChat, TelegramButtons, buttonData } from '../../../src/sinks/telegram-buttons.ts';
import type { Clock } from '../../../src/ports/time.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { SINK_DEPS, sinkOf } from '../../support/far-side.ts';
import { dispatchOf } from '../../support/notifications.ts';
import { QuietLogger } from '../../support/quiet-logger.ts';
import { TelegramServer } from '../../support/telegram-server.ts';

const TOKEN = '123456:ABC-def';
const ALERT = '7b0e3c52-3c1e-5d52-9f5e-0b7c9a3f6a10';
type Asked = NonNullable<ButtonPress['asked']>;

let server: TelegramServer;
let listeners: ButtonListener[] = [];
/** The requests by name, as the database keeps them. */
let requests: Map<string, Asked>;
let acts: Asked[];
let isOwned: boolean;
let outcome: AnswerResult['outcome'];
const logger = new QuietLogger();

beforeEach(async () => {
  server = await TelegramServer.start();
  [requests, acts, isOwned, outcome] = [new Map(), [], true, 'done'];
  logger.entries.length = 0;
});
afterEach(async () => {
  await Promise.all(listeners.map((each) => each.stop()));
  listeners = [];
  await server.stop();
});

const CHAT: ButtonChat = { sink: 'phone', chat: -100123, users: [] };

function listen(chats: readonly ButtonChat[] = [CHAT], clock: Clock = createSystemClock()): ButtonListener {
  const listener = new ButtonListener(new TelegramButtons({ url: server.url, token: TOKEN }, chats), {
    ...{ owner: 'a', clock, logger },
    store: { lease: async () => isOwned, release: async () => {} },
    answered: createMetrics().counter('answers', 'help', ['way', 'outcome']),
    contextOf: () => ({ language: LANGUAGES.en, timezone: 'UTC', nowMs: clock.nowMs() }),
    act: async (asked): Promise<AnswerResult> => {
      acts.push(asked);
      const first = requests.get(asked.requestId);
      requests.set(asked.requestId, first ?? asked);
      const isSame = (other: Asked) => other.alertId === asked.alertId && other.action === asked.action;
      const before = [...requests.values()].find(isSame) ?? asked;
      const isLate = before.requestId !== asked.requestId;
      return { outcome: isLate ? 'already' : outcome, by: before.by, repeated: first !== undefined };
    },
  });
  listeners.push(listener);
  listener.start();
  return listener;
}

test('an open alert has two buttons; what is over, and a group, has none', async () => {
  const sink = sinkOf({ kind: 'telegram', url: server.url, token: TOKEN, chat: -100123, buttons: true });
  const signal = AbortSignal.timeout(60_000);
  await sink.send(dispatchOf({ alertId: ALERT }), signal);
  await sink.send(dispatchOf({ alertId: ALERT, event: 'resolved' }), signal);
  const { notifications } = dispatchOf({ alertId: ALERT }, {});
  await sink.send({ notifications, total: 20 }, signal);
  const [open, over, group] = server.of('sendMessage');
  expect(open?.['reply_markup']).toEqual({
    inline_keyboard: [
      [
        { text: 'Acknowledge', callback_data: buttonData('ack', ALERT) },
        { text: 'Silence for 2 h', callback_data: buttonData('silence', ALERT) },
      ],
    ],
  });
  for (const each of [over, group]) expect(each).not.toHaveProperty('reply_markup');
  expect(Buffer.byteLength(buttonData('silence', ALERT))).toBeLessThanOrEqual(64);
});

test('without buttons, and with links, it has links, whose page asks first', async () => {
  const links = { acknowledge: 'https://fw.example/act/a', silence: 'https://fw.example/act/s' };
  const settings = { kind: 'telegram', url: server.url, token: TOKEN, chat: -100123 };
  const sink = sinkOf(settings, { ...SINK_DEPS, linksOf: () => links });
  await sink.send(dispatchOf({ alertId: ALERT }), AbortSignal.timeout(60_000));
  expect(server.of('sendMessage')[0]?.['reply_markup']).toEqual({
    inline_keyboard: [
      [
        { text: 'Acknowledge', url: links.acknowledge },
        { text: 'Silence for 2 h', url: links.silence },
      ],
    ],
  });
});

test('a press is executed with who did it, answered, and shown to the others', async () => {
  listen();
  const id = server.press({ data: buttonData('ack', ALERT) });
  await eventually('it is settled', () => server.of('getUpdates').some(({ offset }) => offset === 101));
  expect(acts).toEqual([
    { action: 'ack', alertId: ALERT, by: 'Ann @ann_l (phone)', requestId: `telegram:${id}` },
  ]);
  expect(server.of('editMessageText')).toMatchObject([
    { chat_id: -100123, message_id: 55, text: 'Freezer 1: too warm\n✓ Acknowledged by Ann @ann_l (phone).' },
  ]);
  expect(server.of('editMessageText')[0]).not.toHaveProperty('reply_markup');
  expect(server.of('answerCallbackQuery')).toMatchObject([
    { callback_query_id: id, text: 'Acknowledged by Ann @ann_l (phone).', show_alert: false },
  ]);
  expect(server.of('getUpdates')[0]).toMatchObject({ allowed_updates: ['callback_query'] });
});

test('of a daemon that was killed before it answered, a press comes again and is one request', async () => {
  server.failing.set('answerCallbackQuery', 1_000_000);
  const first = listen();
  const id = server.press({ data: buttonData('ack', ALERT) });
  await eventually('it is executed', () => server.of('answerCallbackQuery').length > 0);
  await first.stop();
  server.failing.clear();
  listen();
  await eventually('it is settled', () => server.of('getUpdates').some(({ offset }) => offset === 101));
  expect([...requests.keys()]).toEqual([`telegram:${id}`]);
  expect(acts).toHaveLength(2);
  expect(new Set(server.of('editMessageText').map(({ text }) => text)).size).toBe(1);
});

test('in a group each press is of the one who pressed it, and the first one is shown', async () => {
  listen();
  const first = server.press({ data: buttonData('ack', ALERT), from: { id: 7, first_name: 'Ann' } });
  const second = server.press({ data: buttonData('ack', ALERT), from: { id: 8, first_name: 'Bob' } });
  await eventually('both are settled', () => server.of('getUpdates').some(({ offset }) => offset === 102));
  expect(acts.map(({ by, requestId }) => [by, requestId])).toEqual([
    ['Ann (phone)', `telegram:${first}`],
    ['Bob (phone)', `telegram:${second}`],
  ]);
  expect(server.of('answerCallbackQuery')).toMatchObject([
    { callback_query_id: first, text: 'Acknowledged by Ann (phone).', show_alert: false },
    { callback_query_id: second, text: 'It was acknowledged before.', show_alert: true },
  ]);
  expect(server.of('editMessageText').map(({ text }) => text)).toEqual([
    'Freezer 1: too warm\n✓ Acknowledged by Ann (phone).',
  ]);
});

test('a user who is not listed may not, nor anyone in a chat that is not configured; other data is ignored', async () => {
  listen([{ ...CHAT, users: [7] }]);
  server.press({ data: buttonData('silence', ALERT), from: { id: 8, first_name: 'Bob' } });
  server.press({ data: buttonData('ack', ALERT), chat: -5 });
  server.press({ data: 'something else' });
  await eventually('all are settled', () => server.of('getUpdates').some(({ offset }) => offset === 103));
  expect(acts).toEqual([]);
  const refused = { text: 'You may not do this.', show_alert: true };
  expect(server.of('answerCallbackQuery')).toMatchObject([refused, refused]);
  expect(server.of('editMessageText')).toEqual([]);
  expect(logger.entries.filter(({ message }) => message === 'button press refused')).toMatchObject([
    { fields: { user_id: 8, chat: -100123, reason: 'user' } },
    { fields: { user_id: 7, chat: -5, reason: 'chat' } },
  ]);
});

test('a press on an alert that is over is answered, and the message stays as it is', async () => {
  outcome = 'over';
  listen();
  server.press({ data: buttonData('ack', ALERT) });
  await eventually('it is settled', () => server.of('getUpdates').some(({ offset }) => offset === 101));
  expect(server.of('answerCallbackQuery')).toMatchObject([
    { text: 'This alert is over: there is nothing to do.', show_alert: true },
  ]);
  expect(server.of('editMessageText')).toEqual([]);
});

test('a chat that the bot has left holds up no press of another', async () => {
  server.refusing.set('editMessageText', [403, 'Forbidden: bot was kicked from the supergroup chat']);
  listen();
  server.press({ data: buttonData('ack', ALERT) });
  server.press({ data: buttonData('silence', ALERT) });
  await eventually('both are settled', () => server.of('getUpdates').some(({ offset }) => offset === 102));
  expect(acts.map(({ action }) => action)).toEqual(['ack', 'silence']);
  expect(server.of('answerCallbackQuery')).toHaveLength(2);
});

test('where another program polls the updates of the bot, its line says so, and the presses come to one of both', async () => {
  const clock = new FakeClock();
  listen([CHAT], clock);
  await eventually('it polls', () => server.polls > 0);
  const other = new TelegramButtons({ url: server.url, token: TOKEN }, [CHAT]);
  const stop = new AbortController();
  const polling = other.poll(stop.signal).catch(() => []);
  const isConflict = ({ message, fields }: (typeof logger.entries)[number]) =>
    message === 'buttons of notifications not readable, retrying' &&
    /409.*getUpdates/.test(String(fields['error']));
  await eventually('it says so', () => logger.entries.some(isConflict));
  // The other one has ended.
  stop.abort();
  await polling;
  const id = server.press({ data: buttonData('ack', ALERT) });
  await eventually('it is executed', () => {
    clock.advance(1000);
    return acts.length > 0;
  });
  expect(acts).toMatchObject([{ requestId: `telegram:${id}` }]);
});

test('a daemon without the lease does not poll', async () => {
  isOwned = false;
  const listener = listen();
  await listener.stop();
  expect(server.calls).toEqual([]);
});

test.each([
  [{ chat: '@channel', buttons: true }, /users/],
  [{ chat: '@channel', buttons: true, users: [7] }, undefined],
  [{ chat: -1, buttons: true }, undefined],
] as const)('%j', (more, fault) => {
  const parse = () => sinkOf({ kind: 'telegram', url: server.url, token: TOKEN, ...more });
  if (fault === undefined) expect(parse).not.toThrow();
  else expect(parse).toThrow(fault);
});
