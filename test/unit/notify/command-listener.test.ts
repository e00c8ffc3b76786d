import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createMetrics } from '../../../src/adapters/http/metrics.ts';
import { FieldwatchError } from '../../../src/core/errors.ts';
import type { AlertCommand } from '../../../src/core/notify/alert-command.ts';
import type { AnswerResult } from '../../../src/core/notify/text/answer.ts';
import { LANGUAGES } from '../../../src/core/notify/text/languages.ts';
import type { CommandConnection, CommandMessage } from '../../../src/ports/commands.ts';
import { CommandListener } from '../../../src/services/notify/command-listener.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { QuietLogger } from '../../support/quiet-logger.ts';

const ALERT = '7b0e3c52-3c1e-5d52-9f5e-0b7c9a3f6a10';

/** A broker session: a message stays until it was acknowledged. */
class Session {
  onMessage: ((message: CommandMessage) => Promise<void>) | undefined;
  end: ((reason: FieldwatchError) => void) | undefined;
  opened = 0;
  readonly source = {
    name: 'commands-test',
    open: async (onMessage: (message: CommandMessage) => Promise<void>): Promise<CommandConnection> => {
      this.opened++;
      this.onMessage = onMessage;
      const closed = new Promise<FieldwatchError>((resolve) => (this.end = resolve));
      return { closed, close: async () => void (this.onMessage = undefined) };
    },
  };
}

const settled = async () => {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
};
const lost = () => new FieldwatchError('gone', { code: 'BROKER_UNREACHABLE', kind: 'transient' });

type Act = (command: AlertCommand & { readonly requestId: string }) => Promise<AnswerResult>;

let clock: FakeClock;
let session: Session;
let listener: CommandListener;
let acted: (AlertCommand & { readonly requestId: string })[];
let answers: {
  readonly topic: string;
  readonly correlation: string | undefined;
  readonly [key: string]: unknown;
}[];
let act: Act;
let publishFault: Error | undefined;
let isOwned: boolean;
let timezone = 'UTC';
let logger: QuietLogger;
let metrics: ReturnType<typeof createMetrics>;

beforeEach(async () => {
  [clock, session, logger, metrics] = [new FakeClock(), new Session(), new QuietLogger(), createMetrics()];
  [acted, answers, publishFault, isOwned, timezone] = [[], [], undefined, true, 'UTC'];
  const requests = new Map<string, string>();
  act = async (command) => {
    acted.push(command);
    const first = requests.get(command.requestId);
    requests.set(command.requestId, first ?? command.by);
    const { action } = command;
    return { outcome: 'done', action, by: first ?? command.by, repeated: first !== undefined, atMs: 0 };
  };
  listener = new CommandListener(
    session.source,
    {
      answerTopic: 'fw/commands/answers',
      mayAnswerAt: (topic) => topic.startsWith('fw/commands/answers/'),
      maxPerMinute: 3,
      maxSilenceMs: () => 3_600_000,
    },
    {
      ...{ owner: 'a', clock, logger },
      store: { lease: async () => isOwned, release: async () => {} },
      answered: metrics.counter('answers', 'help', ['way', 'outcome']),
      act: (command) => act(command),
      publish: async (topic, payload, correlation) => {
        if (publishFault !== undefined) throw publishFault;
        const text = correlation === undefined ? undefined : Buffer.from(correlation).toString();
        answers.push({ topic, correlation: text, ...(JSON.parse(payload) as object) });
      },
      context: () => ({ language: LANGUAGES.en, timezone, nowMs: clock.nowMs() }),
    },
  );
  listener.start();
  await settled();
});
afterEach(() => listener.stop());

const command = (more: object = {}): object => ({
  id: 'r-1',
  action: 'ack',
  alert_id: ALERT,
  by: 'ann',
  ...more,
});

/** Rejects where the message is not acknowledged. */
const send = (payload: object | string, more: Partial<CommandMessage> = {}): Promise<void> =>
  session.onMessage!({
    payload: Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload)),
    ...{ retain: false, responseTopic: undefined, correlation: undefined, ...more },
  });

describe('a command', () => {
  test('is executed in the name of the sender, and answered', async () => {
    await send(command({ for: '4h', comment: 'on my way' }));
    expect(acted).toMatchObject([
      { action: 'ack', alertId: ALERT, by: 'ann (mqtt)', comment: 'on my way', forMs: 14_400_000 },
    ]);
    expect(answers).toEqual([
      {
        ...{ topic: 'fw/commands/answers', id: 'r-1', action: 'ack', alert_id: ALERT, status: 'done' },
        ...{ by: 'ann (mqtt)', at: '1970-01-01T00:00:00.000Z', repeated: false },
        message: 'Acknowledged by ann (mqtt).',
      },
    ]);
    expect(await metrics.scrape()).toContain('answers{way="mqtt",outcome="done"} 1');
  });

  test('that comes twice is one request, and gets its answer twice', async () => {
    await send(command());
    await send(command(), { correlation: Buffer.from('of the second attempt') });
    expect(new Set(acted.map(({ requestId }) => requestId)).size).toBe(1);
    expect(answers.map(({ status, repeated }) => [status, repeated])).toEqual([
      ['done', false],
      ['done', true],
    ]);
  });

  test('with another content under the same id is another request', async () => {
    await send(command());
    await send(command({ action: 'silence' }));
    expect(new Set(acted.map(({ requestId }) => requestId)).size).toBe(2);
  });

  test('is named by its correlation data and response topic where it has no id', async () => {
    const ask = (correlation: string, responseTopic = 'fw/commands/answers/ann') =>
      send(command({ id: undefined }), { correlation: Buffer.from(correlation), responseTopic });
    await ask('c-1');
    await ask('c-1');
    await ask('c-1', 'fw/commands/answers/bob');
    expect(new Set(acted.map(({ requestId }) => requestId)).size).toBe(2);
    expect(answers.map(({ topic, correlation }) => [topic, correlation])).toEqual([
      ['fw/commands/answers/ann', 'c-1'],
      ['fw/commands/answers/ann', 'c-1'],
      ['fw/commands/answers/bob', 'c-1'],
    ]);
  });

  test('is not acknowledged before its answer is accepted: it comes again', async () => {
    publishFault = new Error('not connected');
    await expect(send(command())).rejects.toThrow('not connected');
    publishFault = undefined;
    await send(command());
    expect(answers).toMatchObject([{ status: 'done', repeated: true }]);
  });

  test('whose answer the broker refuses is acknowledged: it would be refused again', async () => {
    publishFault = Object.assign(new Error('Not authorized'), { code: 135 });
    await send(command());
    expect(logger.entries.map(({ message }) => message)).toContain(
      'answer to a command refused by the broker',
    );
  });

  test('gets an answer also where the database fails or does not answer', async () => {
    act = async () => {
      throw new Error('no connection');
    };
    await send(command());
    act = () => new Promise(() => undefined);
    const hanging = send(command());
    await settled();
    clock.advance(15_000);
    await hanging;
    const unavailable = { id: 'r-1', status: 'unavailable', reason: 'database' };
    expect(answers).toMatchObject([unavailable, unavailable]);
  });
});

describe('a command is refused', () => {
  const refused = (reason: string) => ({ status: 'refused', reason });

  test('with the reason, and nothing is done', async () => {
    await send(command(), { retain: true });
    await send('{');
    await send(command({ id: undefined }));
    await send(command({ action: 'silence', for: '2h' }));
    expect(answers).toMatchObject(['retained', 'invalid', 'no_id', 'too_long'].map(refused));
    expect(acted).toEqual([]);
    expect(await metrics.scrape()).toContain('answers{way="mqtt",outcome="refused"} 4');
  });

  test('where it names another place for the answer, which goes to the answer topic then', async () => {
    await send(command(), { responseTopic: 'devices/valve/set', correlation: Buffer.from('c') });
    expect(answers).toMatchObject([
      { topic: 'fw/commands/answers', correlation: 'c', ...refused('response_topic') },
    ]);
    expect(acted).toEqual([]);
  });

  test('above the limit of a minute, and accepted later', async () => {
    for (let n = 0; n < 5; n++) await send(command({ id: `r-${n}` }));
    clock.advance(60_000);
    await settled();
    await send(command({ id: 'r-9' }));
    expect(answers.map(({ status, reason }) => reason ?? status)).toEqual([
      ...['done', 'done', 'done', 'too_many', 'too_many', 'done'],
    ]);
  });

  test('in a bounded number of lines', async () => {
    for (let n = 0; n < 100; n++) await send('{');
    const lines = logger.entries.filter(({ message }) => message === 'command of the command topic refused');
    expect(lines).toHaveLength(5);
  });

  test('a payload that clears a retained message is no command', async () => {
    await send('', { retain: true });
    expect(answers).toEqual([]);
  });
});

describe('the connection', () => {
  test('is opened again after its end, and its end logged once', async () => {
    for (let times = 0; times < 3; times++) {
      session.end!(lost());
      await settled();
      clock.advance(5000);
      await settled();
    }
    expect(session.opened).toBe(4);
    expect(
      logger.entries.filter(({ message }) => message === 'command topic not readable, retrying'),
    ).toHaveLength(1);
  });

  test('is closed once another daemon has the lease, and opened when it is free', async () => {
    isOwned = false;
    clock.advance(20_000);
    await settled();
    expect(session.onMessage).toBeUndefined();
    isOwned = true;
    clock.advance(10_000);
    await settled();
    expect(session.opened).toBe(2);
  });

  test('a command under way at the stop is not acknowledged', async () => {
    act = () => new Promise(() => undefined);
    const hanging = expect(send(command())).rejects.toThrow();
    await settled();
    await listener.stop();
    await hanging;
    expect(answers).toEqual([]);
  });
});

describe('docs/notifications.md', () => {
  const docs = readFileSync(new URL('../../../docs/notifications.md', import.meta.url), 'utf8');
  const shown = (language: string) =>
    [...docs.matchAll(new RegExp(`\`\`\`${language}\\n(.*?)\\n\`\`\``, 'gs'))].map(([, text = '']) => text);
  const commands = shown('sh').flatMap((text) =>
    [...text.matchAll(/ -m '(\{.*?\})'/g)].map(([, payload = '']) => payload),
  );

  test('shows commands that are understood, and the answer to the first', async () => {
    const [answer] = shown('json').map((text) => JSON.parse(text) as Record<string, string>);
    const [atMs, untilMs] = [Date.parse(answer!['at']!), Date.parse(answer!['until']!)];
    clock.advance(atMs - clock.nowMs());
    timezone = 'Europe/Berlin';
    act = async ({ action, by, forMs = 0 }) => ({
      ...{ outcome: 'done', action, by, repeated: false, atMs, untilMs: atMs + forMs },
    });
    const correlation = Buffer.from('a-18');
    for (const payload of commands)
      await send(payload, { responseTopic: 'fw/commands/answers/ann', correlation });
    expect(answers).toMatchObject([
      { ...answer, until: new Date(untilMs).toISOString() },
      { status: 'done', action: 'silence' },
    ]);
  });
});
