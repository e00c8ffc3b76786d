import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type pg from 'pg';
import { createMetrics } from '../../../src/adapters/http/metrics.ts';
import { TimescaleNotificationStore } from '../../../src/adapters/timescale/notify/notification-store.ts';
import { createPool } from '../../../src/adapters/timescale/connection/pool.ts';
import { LANGUAGES } from '../../../src/core/notify/text/languages.ts';
import type { ButtonPress, ButtonSource } from '../../../src/ports/notification.ts';
import { ButtonListener } from '../../../src/services/notify/button-listener.ts';
import { TelegramButtons, buttonData } from '../../../src/sinks/telegram-buttons.ts';
import { type TestDatabase, openTestDatabase } from '../../support/embedded-db.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { QuietLogger } from '../../support/quiet-logger.ts';
import { TelegramServer } from '../../support/telegram-server.ts';

const ALERT = '7b0e3c52-3c1e-5d52-9f5e-0b7c9a3f6a10';
const BOT = { token: '123456:ABC-def' };

let database: TestDatabase;
let pool: pg.Pool;
let telegram: TelegramServer;
const clock = new FakeClock();
const listeners: ButtonListener[] = [];
const acts: string[] = [];

beforeAll(async () => {
  database = await openTestDatabase({ migrated: true });
  pool = await createPool({ url: database.url, max: 2 }, new QuietLogger());
  telegram = await TelegramServer.start();
});
afterAll(async () => {
  await telegram.stop();
  await Promise.all(listeners.map((each) => each.stop()));
  await pool.end();
  await database.close();
});

/** A daemon of its own, as far as buttons go. `killed`: its process is gone, and says nothing more. */
function daemon(owner: string) {
  const state = { polls: 0, leases: 0, killed: false };
  const buttons = new TelegramButtons({ url: telegram.url, ...BOT }, [
    { sink: 'phone', chat: -100123, users: [] },
  ]);
  const never = new Promise<never>(() => undefined);
  const source: ButtonSource = {
    name: buttons.name,
    poll: async (signal): Promise<readonly ButtonPress[]> => {
      state.polls++;
      const presses = await buttons.poll(signal);
      return state.killed ? never : presses;
    },
  };
  const store = new TimescaleNotificationStore(pool);
  const listener = new ButtonListener(source, {
    ...{ owner, clock, logger: new QuietLogger() },
    store: {
      lease: async (...given) => {
        if (state.killed) return never;
        const owned = await store.lease(...given);
        state.leases++;
        return owned;
      },
      release: (...given) => store.release(...given),
    },
    answered: createMetrics().counter('answers', 'help', ['way', 'outcome']),
    contextOf: () => ({ language: LANGUAGES.en, timezone: 'UTC', nowMs: 0 }),
    act: async ({ requestId }) => {
      acts.push(`${owner} ${requestId}`);
      return { outcome: 'done', by: 'ann', repeated: false };
    },
  });
  listener.start();
  return { state, listener };
}

/** Time passes while it waits: what is late is retried, as with a clock that goes on. */
const inTime = (what: string, holds: () => boolean) =>
  eventually(what, () => {
    clock.advance(1000);
    return holds();
  });

const looksAgain = async ({ state }: ReturnType<typeof daemon>) => {
  const before = state.leases;
  await inTime('it looks at the lease', () => state.leases > before);
};

/** Daemons that executed it: a press whose answer is late is executed again, as the same request. */
const executed = (press: string) => new Set(acts.filter((act) => act.endsWith(press)));

test('of two daemons with one bot exactly one polls; the other takes over when that one ends, or is killed', async () => {
  const one = daemon('one');
  listeners.push(one.listener);
  await inTime('one polls', () => one.state.polls > 0);
  // It is killed later, and never ends.
  const two = daemon('two');
  await looksAgain(two);
  await looksAgain(two);
  expect(two.state.polls).toBe(0);
  const first = telegram.press({ data: buttonData('ack', ALERT) });
  await inTime('it is executed', () => executed(first).size > 0);
  expect(executed(first)).toEqual(new Set([`one telegram:${first}`]));

  // It ends, and gives the lease back: maybe before it has answered, so that the press comes to the next one.
  await one.listener.stop();
  await inTime('two polls', () => two.state.polls > 0);

  // It is killed: its lease lasts, and the next one waits for that.
  two.state.killed = true;
  const three = daemon('three');
  listeners.push(three.listener);
  await looksAgain(three);
  await looksAgain(three);
  expect(three.state.polls).toBe(0);
  await pool.query(`UPDATE notify_sinks SET leased_until = now() - interval '1 s' WHERE kind = 'buttons'`);
  await inTime('three polls', () => three.state.polls > 0);
  const second = telegram.press({ data: buttonData('silence', ALERT) });
  await inTime('it is executed', () => executed(second).size > 0);
  expect(executed(second)).toEqual(new Set([`three telegram:${second}`]));
});
