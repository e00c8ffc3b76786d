import { expect, jest, test } from '@jest/globals';
import fc from '../../support/fast-check.ts';
import { batchOf } from '../../../src/core/alert/engine/alert-batch.ts';
import { alertKeyText } from '../../../src/core/alert/engine/alert-key.ts';
import type { AlertEngine } from '../../../src/core/alert/engine/engine.ts';
import { WaitingLog } from '../../../src/core/alert/engine/waiting-log.ts';
import type { AlertBatch, AlertResolution, AlertRow, AlertStateRow } from '../../../src/core/alert/model.ts';
import type { RuleSet } from '../../../src/core/alert/rules/rule-set.ts';
import type { LastReading } from '../../../src/ports/alerts.ts';
import { alertId } from '../../../src/services/alert/alert-id.ts';
import { loadEngine } from '../../../src/services/alert/state-loader.ts';
import { WatermarkRows, readingsIn } from '../../support/watermark-rows.ts';
import { rule, sensors, timeline } from './arbitraries.ts';
import { type Given, T0_MS, T0_US, rulesOf } from './support.ts';
import { rounds } from '../../support/rounds.ts';

jest.setTimeout(60_000);

/** The database, and the spool of the process beside it: on the same machine, that survives as well. */
class Tables {
  readonly rows = new Map<string, AlertRow & Partial<AlertResolution>>();
  readonly states = new Map<string, AlertStateRow>();
  readonly watermarks = new WatermarkRows();
  readonly readings = new Map<string, LastReading>();
  spooled: LastReading[] = [];

  store(readings: readonly LastReading[]): void {
    for (const each of readings) {
      const key = `${each.sensorId}|${each.timeUs}`;
      if (!this.readings.has(key)) this.readings.set(key, each);
    }
  }

  drain(): void {
    this.store(this.spooled);
    this.spooled = [];
  }

  write({ raised, resolved, states, waiting }: AlertBatch): void {
    for (const row of raised) {
      const key = `${row.timeUs}|${alertKeyText(row)}`;
      if (!this.rows.has(key)) this.rows.set(key, row);
    }
    for (const end of resolved) {
      const key = `${end.firedAtUs}|${alertKeyText(end)}`;
      const row = this.rows.get(key);
      if (row !== undefined && row.resolvedAtUs === undefined) this.rows.set(key, { ...row, ...end });
    }
    for (const row of states) {
      if (row.state === 'ok' && Object.keys(row.detail).length === 0) this.states.delete(alertKeyText(row));
      else this.states.set(alertKeyText(row), JSON.parse(JSON.stringify(row)) as AlertStateRow);
      // However many wait.
      expect(row.detail).not.toHaveProperty('held');
    }
    this.watermarks.write(waiting);
  }

  async loadStates() {
    return [...this.states.values()];
  }

  async loadWaiting(group: string) {
    return this.watermarks.load(group);
  }

  async loadReadings(spans: Parameters<typeof readingsIn>[1]) {
    return readingsIn(this.readings.values(), spans);
  }

  readonly lastReadings = async (spans: Parameters<typeof readingsIn>[1]) => {
    const found = readingsIn(this.readings.values(), spans).sort((a, b) => b.timeUs - a.timeUs);
    return found.filter((each, at) => found.findIndex(({ sensorId }) => sensorId === each.sensorId) === at);
  };

  async pendingNotifications() {
    return [];
  }

  async markSent() {}
}

/** One process. */
class Life {
  private readonly tables: Tables;
  private engine: AlertEngine;
  private log: WaitingLog;

  private constructor(tables: Tables, engine: AlertEngine, log: WaitingLog) {
    [this.tables, this.engine, this.log] = [tables, engine, log];
  }

  static async begin(ruleSet: RuleSet, tables: Tables, nowMs: number, writer: string): Promise<Life> {
    const where = { nowUs: nowMs * 1000, group: '' };
    const { engine, found } = await loadEngine(
      ruleSet,
      sensors,
      { store: tables, lastReadings: tables.lastReadings },
      where,
    );
    return new Life(tables, engine, new WaitingLog('', writer, found));
  }

  /** One batch. It is in the database, in the spool, or nowhere: then all is evaluated again. */
  write(given: readonly Given[], to: 'database' | 'spool' | 'nowhere'): void {
    const { engine, tables } = this;
    const readings = given.map(({ sensor, at, value }) => ({
      ...{ sensorId: sensor?.id ?? 0, metric: 'temperature' },
      ...{ timeUs: T0_US + at * 1e6, value: value as number },
    }));
    engine.begin();
    for (const { sensor = sensors[0]!, at, rx = at, value } of given) {
      const metrics = new Map([['temperature', value]]);
      const receivedAtMs = T0_MS + rx * 1000;
      engine.reading({ sensor, timeUs: T0_US + at * 1e6, receivedAtMs, metrics }, to !== 'spool');
    }
    this.commit(to);
    if (to === 'spool') tables.spooled.push(...readings);
    if (to === 'database') tables.store(readings);
  }

  tick(atS: number): void {
    this.engine.begin();
    this.engine.tick(T0_MS + atS * 1000);
    this.commit('database');
  }

  private commit(to: 'database' | 'spool' | 'nowhere'): void {
    const { effects, touched } = this.engine.work;
    const { row: waiting, commit } = this.log.next(this.engine);
    if (to === 'nowhere') return;
    this.tables.write({ ...batchOf(effects, touched, alertId), waiting });
    this.engine.commit();
    commit();
  }
}

interface Step {
  readonly count: number;
  readonly to: 'database' | 'spool' | 'nowhere';
  readonly then: 'go on' | 'drain' | 'tick' | 'crash' | 'crash and redeliver';
}

const RUNS = rounds(100, 300);

const step: fc.Arbitrary<Step> = fc.record({
  count: fc.integer({ min: 1, max: 6 }),
  to: fc.constantFrom('database', 'database', 'spool', 'nowhere'),
  then: fc.constantFrom('go on', 'drain', 'tick', 'crash', 'crash and redeliver'),
});

async function run(ruleSet: RuleSet, all: readonly Given[], steps: readonly Step[]) {
  const tables = new Tables();
  let lives = 0;
  let life = await Life.begin(ruleSet, tables, T0_MS, 'life 0');
  let from = 0;
  for (let round = 0; from < all.length; round++) {
    const { count, to, then } = steps[round] ?? { count: 1, to: 'database', then: 'go on' };
    const batch = all.slice(from, from + count);
    const rx = batch.at(-1)?.rx ?? 0;
    life.write(batch, to);
    if (to === 'nowhere') life.write(batch, 'database');
    from += count;
    if (then === 'drain') tables.drain();
    if (then === 'tick') life.tick(rx);
    if (!then.startsWith('crash')) continue;
    life = await Life.begin(ruleSet, tables, T0_MS + rx * 1000, `life ${++lives}`);
    if (then === 'crash and redeliver') life.write(batch, 'database');
  }
  tables.drain();
  life.tick((all.at(-1)?.rx ?? 0) + 3600);
  return tables;
}

/** What was raised and how it ended; not whether the lines left in time. */
const rowsOf = ({ rows }: Tables) =>
  [...rows.values()].map(({ backfilled: _, suppressed: __, ...row }) => row).sort((a, b) => a.timeUs - b.timeUs || (alertKeyText(a) < alertKeyText(b) ? -1 : 1)); // prettier-ignore

// The timelines are late by 90 s at most: so nothing is late, whenever a process begins to wait anew.
test('statement 22: readings that wait outlive any crash, wherever they were stored: the rows are those of an undisturbed run', async () => {
  let crashes = 0;
  await fc.assert(
    fc.asyncProperty(rule, timeline, fc.array(step, { maxLength: 15 }), async (fields, all, steps) => {
      const ruleSet = rulesOf({
        allowed_lateness: '2m',
        metrics: { temperature: { max: 30, ...fields, for_mode: 'confirmed' } },
      });
      const plain = await run(ruleSet, all, []);
      expect(rowsOf(await run(ruleSet, all, steps))).toEqual(rowsOf(plain));
      crashes += steps.filter(({ then }) => then.startsWith('crash')).length;
    }),
    { numRuns: RUNS },
  );
  expect(crashes).toBeGreaterThan(1.6 * RUNS);
});
