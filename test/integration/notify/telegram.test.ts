import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { SinkError } from '../../../src/core/notify/sink-error.ts';
import { sinkOf } from '../../support/far-side.ts';
import { HttpServer } from '../../support/http-server.ts';
import { dispatchOf, outgoing } from '../../support/notifications.ts';

const TOKEN = '123456:AAbb-cc_dd';
let server: HttpServer;
beforeAll(async () => {
  server = await HttpServer.start();
});
beforeEach(() => {
  server.calls.length = 0;
  server.behaviour = { status: 200, body: '{"ok":true,"result":{}}' };
});
afterAll(() => server.stop());

const telegram = (more: Readonly<Record<string, unknown>> = {}) =>
  sinkOf({ kind: 'telegram', url: server.url, token: TOKEN, chat: -100123, ...more });
const signal = AbortSignal.timeout(60_000);
type Message = { text: string; entities: { type: string; offset: number; length: number }[] };
const last = () => server.bodies.at(-1) as Message & Record<string, unknown>;
const fault = async (status: number, body: string) => {
  server.behaviour = { status, body };
  const error = (await telegram()
    .send(dispatchOf({}), signal)
    .catch((reason: unknown) => reason)) as SinkError;
  return [error.fault, error.retryAfterMs, error.message] as const;
};

test('a message is text with a bold title, by the method of the bot', async () => {
  await telegram({ thread: 7 }).send(dispatchOf({ severity: 'critical' }), signal);
  expect(server.calls[0]?.path).toBe(`/bot${TOKEN}/sendMessage`);
  const title = 'Kitchen, left: temperature 31 °C, above 30 °C';
  expect(last()).toMatchObject({
    chat_id: -100123,
    message_thread_id: 7,
    text: expect.stringContaining(`${title}\nground floor · critical\nsince `),
    entities: [{ type: 'bold', offset: 0, length: title.length }],
    disable_notification: false,
    link_preview_options: { is_disabled: true },
  });
  expect(last()).not.toHaveProperty('parse_mode');
});

test('what is configured to arrive without a sound does', async () => {
  const sink = telegram({ silent: ['info', 'resolved'] });
  for (const [delivery, silent] of [
    [dispatchOf({ severity: 'info' }), true],
    [dispatchOf({ severity: 'warning' }), false],
    [dispatchOf({ event: 'resolved' }), true],
  ] as const) {
    await sink.send(delivery, signal);
    expect(last()['disable_notification']).toBe(silent);
  }
});

test('a long text is cut to what Telegram takes, not within a character', async () => {
  await telegram({ body: '🌡{{message}}🌡' }).send(
    dispatchOf({ sensorId: 0, message: '🔥'.repeat(3000) }),
    signal,
  );
  expect(last().text.length).toBeLessThanOrEqual(4096);
  expect(last().text).toMatch(/🔥…$/u);
  expect(last().text).not.toMatch(/\p{Cs}/u);
});

test('a group is one message', async () => {
  const notifications = ['a', 'b'].map((sensorKey) => outgoing({ sensorKey }));
  await telegram().send({ notifications, total: 400 }, signal);
  expect(last().text).toMatch(/^400 sensors: temperature too high\n- Kitchen, left: temperature 31 °C/);
});

test.each([
  [401, '{"ok":false,"error_code":401,"description":"Unauthorized"}', 'auth'],
  [404, '{"ok":false,"error_code":404,"description":"Not Found"}', 'auth'],
  [400, '{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}', 'setup'],
  [400, '{"ok":false,"error_code":400,"description":"Bad Request: group chat was upgraded to a supergroup chat","parameters":{"migrate_to_chat_id":-1009}}', 'setup'],
  [403, '{"ok":false,"error_code":403,"description":"Forbidden: bot was kicked from the group chat"}', 'setup'],
  [403, '{"ok":false,"error_code":403,"description":"Forbidden: bot was blocked by the user"}', 'setup'],
  [400, '{"ok":false,"error_code":400,"description":"Bad Request: message text is empty"}', 'refused'],
  [502, 'Bad Gateway', 'away'],
])('HTTP %i %s is %s', async (status, body, expected) => {
  const [kind, , message] = await fault(status, body);
  expect(kind).toBe(expected);
  expect(message).not.toContain(TOKEN);
}); // prettier-ignore

test('it waits as long as Telegram says', async () => {
  const body =
    '{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 31","parameters":{"retry_after":31}}';
  expect((await fault(429, body)).slice(0, 2)).toEqual(['away', 31_000]);
});

test('a probe reads the chat and sends nothing', async () => {
  server.behaviour = { status: 200, body: '{"ok":true,"result":{"id":-100123,"title":"Night shift"}}' };
  expect(await telegram().probe(signal)).toMatch(/ knows the chat Night shift$/);
  expect(server.calls.map(({ path }) => path)).toEqual([`/bot${TOKEN}/getChat`]);
});

test('a rotated token needs no restart; what is no token is not put into a URL', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fieldwatch-telegram-'));
  try {
    const file = join(folder, 'token');
    await writeFile(file, `${TOKEN}\n`);
    const sink = telegram({ token_file: file });
    await sink.send(dispatchOf({}), signal);
    await writeFile(file, '9:zz\n');
    await sink.send(dispatchOf({}), signal);
    expect(server.calls.map(({ path }) => path)).toEqual([
      `/bot${TOKEN}/sendMessage`,
      '/bot9:zz/sendMessage',
    ]);
    await writeFile(file, '../../x?y=z');
    await expect((async () => sink.send(dispatchOf({}), signal))()).rejects.toMatchObject({ fault: 'auth' });
    expect(server.calls).toHaveLength(2);
  } finally {
    await rm(folder, { recursive: true });
  }
});
