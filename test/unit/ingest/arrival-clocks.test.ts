import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { createClockNotes } from '../../../src/adapters/spool/clock-notes.ts';
import { createCorrectableClock } from '../../../src/adapters/system/clock.ts';
import { EMPTY_ALERT_BATCH } from '../../../src/core/alert/model.ts';
import { beginEra, clockSet } from '../../../src/core/ingest/clock-era.ts';
import { OutageMonitor } from '../../../src/services/ingest/outage-monitor.ts';
import type { ClockNotes, ClockRecord } from '../../../src/ports/spool.ts';
import { ArrivalClocks } from '../../../src/services/ingest/arrival-clocks.ts';
import { ClockMonitor } from '../../../src/services/ingest/clock-monitor.ts';
import { SensorRegistry } from '../../../src/services/ingest/sensor-registry.ts';
import { SpoolReplayer } from '../../../src/services/spool/spool-replayer.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeDirectory, FakeSpool, FakeStore, RecordingMetrics, stored } from '../../support/fakes.ts';
import { QuietLogger } from '../../support/quiet-logger.ts';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const RIGHT_MS = Date.UTC(2026, 5, 1);

class Notes implements ClockNotes {
  record: ClockRecord = { eras: [] };
  isFull = false;

  async read(): Promise<ClockRecord> {
    return this.record;
  }

  async write(record: ClockRecord): Promise<void> {
    if (this.isFull) throw new Error('ENOSPC');
    this.record = JSON.parse(JSON.stringify(record)) as ClockRecord;
  }
}

/** What drains a spool to a store. */
async function drain(clock: FakeClock, arrivalClocks: Pick<ArrivalClocks, 'fixed' | 'corrected'>) {
  const [store, spool, directory] = [new FakeStore(), new FakeSpool(), new FakeDirectory()];
  const [logger, metrics] = [new QuietLogger(), new RecordingMetrics()];
  directory.add('n1');
  const registry = new SensorRegistry(
    { registration: 'auto', allow: ['*'], max: 10, maxNewPerMinute: 10 },
    { directory, clock, logger, metrics },
  );
  await registry.load();
  store.auto = stored;
  const replayer = new SpoolReplayer(
    { lateAfterMs: () => undefined, maxFutureMs: () => HOUR_MS },
    {
      ...{ spool, registry, store, clock, arrivalClocks, logger },
      watch: new OutageMonitor({ clock, logger, metrics }),
      onSettled: () => {},
      onAlertsReplayed: () => {},
    },
  );
  return { spool, store, replayer };
}

/** A board whose clock shows something else than it is, over starts of the daemon and of itself. */
class Board {
  readonly notes = new Notes();
  system: FakeClock;
  /** It is `RIGHT_MS` at the start, and this much later now, less what the present boot has had of it. */
  private pastMs = 0;
  private boots = 1;
  private sleptMs = 0;

  constructor(systemMs: number) {
    this.system = new FakeClock(systemMs);
  }

  get rightMs(): number {
    return RIGHT_MS + this.pastMs + this.system.monotonicMs() + this.sleptMs;
  }

  reboot(systemMs: number): void {
    this.pastMs = this.rightMs - RIGHT_MS;
    [this.system, this.sleptMs] = [new FakeClock(systemMs), 0];
    this.boots++;
  }

  /** As the daemon sees it: the wall clock goes on, the monotonic one does not. */
  sleep(ms: number): void {
    this.sleptMs += ms;
    this.system.jump(ms);
  }

  /** A start of the daemon, which has no database yet. */
  async start() {
    const { system } = this;
    const clock = createCorrectableClock(system);
    const [logger, metrics] = [new QuietLogger(), new RecordingMetrics()];
    const boot = {
      id: `boot ${this.boots}`,
      uptimeMs: () => system.monotonicMs() + this.sleptMs,
    };
    const arrivalClocks = await ArrivalClocks.open({
      systemMs: () => clock.systemMs(),
      monotonicMs: () => clock.monotonicMs(),
      ...{ boot, notes: this.notes, logger },
    });
    let away = true;
    const serverMs = () => (away ? Promise.reject(new Error('away')) : Promise.resolve(this.rightMs));
    const monitor = new ClockMonitor({ clock, serverMs, arrivalClocks, logger, metrics });
    const stamp = () => ({
      era: arrivalClocks.era,
      stampedUs: clock.nowMs() * 1000,
      rightUs: this.rightMs * 1000,
    });
    const spooled = async () => {
      await arrivalClocks.name();
      return stamp();
    };
    const contact = async () => {
      away = false;
      await monitor.compare();
      await arrivalClocks.fixed();
    };
    return { clock, arrivalClocks, monitor, stamp, spooled, contact };
  }
}

async function stage(systemStartMs: number) {
  const board = new Board(systemStartMs);
  const process = await board.start();
  const corrected = (us: number) => process.arrivalClocks.corrected(process.arrivalClocks.era, us);
  return { ...process, system: board.system, corrected };
}

test('stamped in 1970, before the first contact: they get the right time', async () => {
  const { system, corrected, monitor, stamp, contact } = await stage(0);
  const first = stamp();
  await monitor.compare();
  system.advance(5000);
  const second = stamp();
  // Not known yet.
  expect(corrected(first.stampedUs)).toBe(first.stampedUs);
  system.advance(5000);
  await contact();
  for (const { stampedUs, rightUs } of [first, second]) expect(corrected(stampedUs)).toBe(rightUs);
  // What is stamped from now on is right, and stays.
  system.advance(5000);
  const { stampedUs, rightUs } = stamp();
  expect(stampedUs).toBe(rightUs);
  expect(corrected(stampedUs)).toBe(rightUs);
});

test('the time of the network comes before the database: what was stamped before moves with it', async () => {
  const { system, corrected, monitor, stamp, contact } = await stage(RIGHT_MS - 30 * DAY_MS);
  const before = stamp();
  system.advance(10_000);
  system.jump(30 * DAY_MS);
  const after = stamp();
  await monitor.compare();
  await contact();
  for (const { stampedUs, rightUs } of [before, after]) expect(corrected(stampedUs)).toBe(rightUs);
});

test('it comes, and is wrong as well: the server is the one to go by', async () => {
  const { system, corrected, monitor, stamp, contact } = await stage(RIGHT_MS - 30 * DAY_MS);
  const before = stamp();
  system.advance(1000);
  system.jump(29 * DAY_MS);
  await monitor.compare();
  const after = stamp();
  await contact();
  for (const { stampedUs, rightUs } of [before, after]) expect(corrected(stampedUs)).toBe(rightUs);
});

test('a clock that is right within a minute, and times that were not stamped, stay as they are', async () => {
  const { corrected, stamp, contact } = await stage(RIGHT_MS - 30_000);
  const { stampedUs } = stamp();
  await contact();
  expect(corrected(stampedUs)).toBe(stampedUs);
  expect(corrected(1)).toBe(1);
});

test('what drains is stored with the right time where it was stamped, and as it is where it had its own', async () => {
  const { system: clock, arrivalClocks, spooled, contact } = await stage(0);
  const { spool, store, replayer } = await drain(clock, arrivalClocks);
  const { stampedUs, rightUs, era } = await spooled();
  const message = { topic: 't', payload: new Uint8Array(), receivedAtMs: 0, arrivalUs: stampedUs };
  const reading = { key: 'n1', sensorId: 1, location: undefined, receivedAtMs: 0, message };
  const ownUs = Date.UTC(2025, 0, 1) * 1000;
  const agoUs = 5_000_000;
  const readings = [
    { timeUs: stampedUs, stamped: true },
    // Five seconds before the arrival, by the payload.
    { timeUs: stampedUs - agoUs, stamped: true },
    // Spooled by an earlier version.
    { timeUs: stampedUs },
    { timeUs: ownUs, stamped: false },
  ].map((one, at) => ({ ...reading, ...one, metrics: new Map([['temperature', at]]) }));
  await spool.append([
    { lane: 'readings', id: 'a', readings, deadLetters: [], alerts: EMPTY_ALERT_BATCH, clock: era },
  ]);
  await contact();
  expect(await replayer.readings()).toBe(true);
  const times = store.batches.flatMap(({ readings: rows }) => rows.map(({ timeUs }) => timeUs));
  expect(times.toSorted((a, b) => a - b)).toEqual([ownUs, rightUs - agoUs, rightUs, rightUs]);
});

test('a payload time is checked against the corrected arrival, and alerts use it', async () => {
  const { system: clock, arrivalClocks, spooled, contact } = await stage(0);
  const { spool, store, replayer } = await drain(clock, arrivalClocks);
  const { stampedUs, rightUs, era } = await spooled();
  const receivedAtMs = stampedUs / 1000;
  const message = { topic: 't', payload: new Uint8Array([1]), receivedAtMs, arrivalUs: stampedUs };
  const readings = [rightUs - 1000, rightUs + 2 * HOUR_MS * 1000].map((timeUs) => ({
    ...{ key: 'n1', sensorId: 1, location: undefined, receivedAtMs, message, timeUs, stamped: false },
    metrics: new Map([['temperature', 20]]),
  }));
  await spool.append([
    { lane: 'readings', id: 'a', readings, deadLetters: [], alerts: EMPTY_ALERT_BATCH, clock: era },
  ]);
  await contact();
  expect(await replayer.readings()).toBe(true);
  const [batch] = store.batches;
  expect(batch?.readings).toMatchObject([{ timeUs: rightUs - 1000, receivedAtMs: rightUs / 1000 }]);
  expect(batch?.deadLetters).toMatchObject([{ reason: 'time_out_of_range', topic: 't' }]);
});

test('what has no known time becomes a dead letter, and what has one of its own is stored', async () => {
  const clock = new FakeClock(RIGHT_MS);
  const unknown = { fixed: async () => {}, corrected: () => undefined };
  const { spool, store, replayer } = await drain(clock, unknown);
  const message = { topic: 't', payload: new Uint8Array([1]), receivedAtMs: 0, arrivalUs: 5000 };
  const reading = { key: 'n1', sensorId: 1, location: undefined, receivedAtMs: 0, message };
  const readings = [5000, RIGHT_MS * 1000].map((timeUs) => ({
    ...{ ...reading, timeUs, stamped: timeUs === 5000 },
    metrics: new Map([['temperature', 20]]),
  }));
  await spool.append([{ lane: 'readings', id: 'a', readings, deadLetters: [], alerts: EMPTY_ALERT_BATCH }]);
  expect(await replayer.readings()).toBe(true);
  const [batch] = store.batches;
  expect(batch?.readings.map(({ timeUs }) => timeUs)).toEqual([RIGHT_MS * 1000]);
  expect(batch?.deadLetters).toMatchObject([{ reason: 'time_unknown', topic: 't' }]);
});

describe('what an earlier process spooled', () => {
  test.each([
    ['in 1970, and the clock stays wrong', 0, 0],
    ['30 days ago, and the time comes between the starts', RIGHT_MS - 30 * DAY_MS, 30 * DAY_MS],
    ['30 days ahead, and the clock stays wrong', RIGHT_MS + 30 * DAY_MS, 0],
  ])('of the same boot gets the right time: %s', async (_, startMs, jumpMs) => {
    const board = new Board(startMs);
    const first = await board.start();
    board.system.advance(5000);
    const arrival = await first.spooled();
    board.system.advance(5000);
    board.system.jump(jumpMs);
    const { arrivalClocks, contact } = await board.start();
    // By the clock of the second start, which is the right one where the time came.
    const againUs = jumpMs === 0 ? arrival.stampedUs : arrival.rightUs;
    const written = arrivalClocks.writtenAtMs(arrival.stampedUs / 1000);
    expect(written).toBe(startMs === 0 ? undefined : againUs / 1000);
    board.system.advance(5000);
    await contact();
    expect(arrivalClocks.corrected(arrival.era, arrival.stampedUs)).toBe(arrival.rightUs);
    // It is the same at each later start.
    const later = await board.start();
    await later.contact();
    expect(later.arrivalClocks.corrected(arrival.era, arrival.stampedUs)).toBe(arrival.rightUs);
  });

  test('of the same boot, where two starts stamped the same times: each by its own clock', async () => {
    const board = new Board(0);
    const one = await (await board.start()).spooled();
    board.system.advance(60_000);
    board.system.jump(-60_000);
    const two = await (await board.start()).spooled();
    expect(two.stampedUs).toBe(one.stampedUs);
    const { arrivalClocks, contact } = await board.start();
    await contact();
    for (const { era, stampedUs, rightUs } of [one, two])
      expect(arrivalClocks.corrected(era, stampedUs)).toBe(rightUs);
  });

  test('of another boot in which the time of the network came to a later process', async () => {
    const board = new Board(RIGHT_MS - 30 * DAY_MS);
    const one = await (await board.start()).spooled();
    board.system.advance(60_000);
    board.system.jump(30 * DAY_MS);
    const two = await (await board.start()).spooled();
    board.system.advance(60_000);
    board.reboot(board.rightMs);
    const { arrivalClocks, contact } = await board.start();
    await contact();
    for (const { era, stampedUs, rightUs } of [one, two])
      expect(arrivalClocks.corrected(era, stampedUs)).toBe(rightUs);
  });

  test('whose clock was set in its last seconds, unnoticed', async () => {
    const board = new Board(0);
    const process = await board.start();
    const before = await process.spooled();
    board.system.advance(1000);
    board.system.jump(board.rightMs - board.system.nowMs());
    const after = await process.spooled();
    const { arrivalClocks, contact } = await board.start();
    board.system.advance(1000);
    await contact();
    for (const { era, stampedUs, rightUs } of [before, after])
      expect(arrivalClocks.corrected(era, stampedUs)).toBe(rightUs);
  });

  test.each([
    ['1970', () => 0],
    ['before the last contact', (rightMs: number) => rightMs - DAY_MS],
    ['the future', (rightMs: number) => rightMs + DAY_MS],
  ])('of another boot under a clock that cannot have been right (%s) has no known time', async (_, wrong) => {
    const board = new Board(RIGHT_MS);
    const before = await board.start();
    await before.contact();
    await before.arrivalClocks.name();
    board.system.advance(60_000);
    board.reboot(wrong(board.rightMs));
    const { era, stampedUs } = await (await board.start()).spooled();
    board.system.advance(60_000);
    board.reboot(board.rightMs);
    const { arrivalClocks, contact } = await board.start();
    await contact();
    expect(arrivalClocks.corrected(era, stampedUs)).toBeUndefined();
  });

  test('of another boot under a clock that nothing contradicts keeps its time', async () => {
    const board = new Board(RIGHT_MS);
    const { era, stampedUs } = await (await board.start()).spooled();
    board.system.advance(60_000);
    board.reboot(board.rightMs);
    const { arrivalClocks, contact } = await board.start();
    await contact();
    expect(arrivalClocks.corrected(era, stampedUs)).toBe(stampedUs);
  });
});

test('a machine that sleeps is no clock that was set', async () => {
  const board = new Board(RIGHT_MS);
  const process = await board.start();
  const { era, stampedUs } = await process.spooled();
  board.sleep(3_600_000);
  await process.monitor.compare();
  await process.contact();
  expect(process.arrivalClocks.corrected(era, stampedUs)).toBe(stampedUs);
});

test('nothing drains before the correction is on disk', async () => {
  const board = new Board(0);
  const { era, stampedUs, rightUs } = await (await board.start()).spooled();
  board.notes.isFull = true;
  const { arrivalClocks, contact } = await board.start();
  await expect(arrivalClocks.fixed()).rejects.toThrow('not compared');
  await expect(contact()).rejects.toThrow('ENOSPC');
  board.notes.isFull = false;
  board.system.advance(60_000);
  // What the next process finds is what this one goes by.
  await arrivalClocks.fixed();
  expect(arrivalClocks.corrected(era, stampedUs)).toBe(rightUs);
  const { eras } = await board.notes.read();
  expect(eras.every(({ settledAtMs }) => settledAtMs === RIGHT_MS)).toBe(true);
});

test('the end of a server that was ahead for a while takes no times away', async () => {
  const board = new Board(RIGHT_MS);
  board.notes.record = { eras: [], confirmedMs: RIGHT_MS + 365 * DAY_MS };
  const { era, stampedUs } = await (await board.start()).spooled();
  board.reboot(board.rightMs);
  const { arrivalClocks, contact } = await board.start();
  await contact();
  expect(arrivalClocks.corrected(era, stampedUs)).toBe(stampedUs);
});

test('notes that are damaged are none, and those of a spool are read as they were written', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fieldwatch-clocks-'));
  const [logger, path] = [new QuietLogger(), join(folder, 'spool')];
  const notes = createClockNotes(path, logger);
  expect(await notes.read()).toEqual({ eras: [] });
  const era = clockSet(beginEra({ id: 'a', boot: 'b' }, RIGHT_MS, 5000, 0), RIGHT_MS, RIGHT_MS + DAY_MS);
  await notes.write({ eras: [era], confirmedMs: RIGHT_MS });
  expect(await notes.read()).toEqual({ eras: [era], confirmedMs: RIGHT_MS });
  expect(logger.find('error')).toHaveLength(0);
  for (const damage of ['', '{"eras":[{}]}', 'null']) {
    await writeFile(`${path}.clocks`, damage);
    expect(await notes.read()).toEqual({ eras: [] });
  }
  expect(logger.find('error')).toHaveLength(3);
  await rm(folder, { recursive: true });
});
