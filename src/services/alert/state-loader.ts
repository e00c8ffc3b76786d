import { OF_SENSOR } from '../../core/alert/engine/alert-key.ts';
import { AlertEngine, type EngineReading } from '../../core/alert/engine/engine.ts';
import type { AlertPreview } from '../../core/alert/engine/preview.ts';
import { type RuleChange, restoreLast, restoreRow } from '../../core/alert/engine/restore.ts';
import type { FoundWaiting } from '../../core/alert/engine/waiting-log.ts';
import type { AlertStateRow } from '../../core/alert/model.ts';
import type { RuleSet } from '../../core/alert/rules/rule-set.ts';
import type { LastEvent } from '../../core/alert/state/state.ts';
import type { Micros } from '../../core/reading.ts';
import { slicesOf } from '../../lib/slices.ts';
import type { AlertStore, LastReadings, ReadingSpan } from '../../ports/alerts.ts';
import type { Sensor } from '../../ports/sensors.ts';
import { loadWaiting } from './waiting-loader.ts';

/** A reading whose sensor is known. */
export type EvaluatedReading = EngineReading & {
  readonly sensor: Sensor;
  /** The preview that has published its alerts already, since the commit takes long. */
  readonly previewedBy?: AlertPreview | undefined;
};

/** How far back a stored reading shows that a sensor sends a metric, so that its silence is meaningful. */
const EXPECTED_US = 7 * 86_400_000_000;

/** Sensors of one query: a batch is given up after a while, and what it has read until then is to count for the next attempt. */
const LAST_SLICE = 500;

interface LoadScope {
  readonly nowUs: Micros;
  readonly group: string;
  /** In a share group: `sensors` are those of these shards. */
  readonly shards?: readonly number[] | undefined;
}

interface LoadSource {
  readonly store: Pick<AlertStore, 'loadStates' | 'loadWaiting' | 'loadReadings'>;
  readonly lastReadings: LastReadings;
}

/** An engine in the state of the last process, and what the configuration changed since. */
export async function loadEngine(
  rules: RuleSet,
  sensors: readonly Sensor[],
  { store, lastReadings }: LoadSource,
  { nowUs, group, shards }: LoadScope,
): Promise<{ engine: AlertEngine; changes: readonly RuleChange[]; states: number; found: FoundWaiting }> {
  const engine = new AlertEngine(rules);
  for (const sensor of sensors) engine.attachCount(sensor);
  const rows = await store.loadStates(shards);
  const known = new Map(sensors.map((sensor) => [sensor.id, sensor]));
  const sensorOf = (row: AlertStateRow) => known.get(row.sensorId) ?? unregistered(row);
  const changes = rows.flatMap((row) => restoreRow(engine, sensorOf(row), row) ?? []);
  const waiting = await loadWaiting({ engine, store, group, shards, nowMs: nowUs / 1000 }, known, rows);
  const toUs = nowUs + rules.futureSkewUs;
  const oldest = oldestEvents([...rows, ...waiting.series]);
  const remembered = [...rows.map(sensorOf), ...waiting.sensors];
  await loadLast(engine, remembered, lastReadings, (sensorId, staleAfterUs) => {
    const fromUs = Math.max(0, (oldest.get(sensorId) ?? 0) - staleAfterUs);
    return { sensorId, fromUs: Math.min(fromUs, toUs), toUs };
  });
  await loadPartners(engine, sensors, lastReadings, toUs);
  const expected = await loadExpected(rules, sensors, lastReadings, nowUs);
  for (const { sensor, metric, last } of expected) {
    if (last === undefined || metric === OF_SENSOR)
      engine.expect(sensor, metric, undefined, last !== undefined);
    else restoreLast(engine, sensor, metric, last);
    // The last events of the others are fetched with their first reading.
    if (rules.missesMetrics(sensor)) engine.register(sensor);
  }
  return { engine, changes, states: rows.length, found: waiting.found };
}

/** The last values of the sensors that others are compared with: their own next readings may be a while away. */
async function loadPartners(
  engine: AlertEngine,
  sensors: readonly Sensor[],
  lastReadings: LastReadings,
  toUs: Micros,
): Promise<void> {
  const partners = new Map(
    sensors.flatMap((sensor) => (engine.rules.isPartner(sensor) ? [[sensor.id, sensor] as const] : [])),
  );
  for (const slice of slicesOf([...partners.values()])) {
    const spans = slice.map((sensor) => {
      const staleUs = engine.rules.longestStaleUs(sensor) ?? 0;
      return { sensorId: sensor.id, fromUs: Math.max(0, toUs - staleUs), toUs };
    });
    for (const { sensorId, metric, timeUs, value } of await lastReadings(spans)) {
      const sensor = partners.get(sensorId);
      if (sensor !== undefined) restoreLast(engine, sensor, metric, { timeUs, value });
    }
  }
}

/** Fetches the last events of sensors that are new to this process: one query per batch that has any. */
export async function prepareEngine(
  engine: AlertEngine,
  readings: readonly EvaluatedReading[],
  lastReadings: LastReadings,
  signal?: AbortSignal,
): Promise<void> {
  const fresh = new Map<number, { sensor: Sensor; fromUs: Micros; toUs: Micros }>();
  for (const { sensor, timeUs, receivedAtMs } of readings) {
    if (engine.knows(sensor.id)) continue;
    const toUs = receivedAtMs * 1000 + engine.rules.futureSkewUs;
    const eventUs = timeUs > toUs ? receivedAtMs * 1000 : timeUs;
    const found = fresh.get(sensor.id);
    if (found === undefined) fresh.set(sensor.id, { sensor, fromUs: eventUs, toUs });
    else if (eventUs < found.fromUs) found.fromUs = eventUs;
  }
  if (fresh.size === 0) return;
  const sensors = [...fresh.values()].map(({ sensor }) => sensor);
  const span = (sensorId: number, staleAfterUs: Micros) => {
    const { fromUs = 0, toUs = 0 } = fresh.get(sensorId) ?? {};
    // Anything older is a gap in any case; 0 queries nothing before the epoch.
    return { sensorId, fromUs: Math.max(0, fromUs - staleAfterUs), toUs };
  };
  await loadLast(engine, sensors, lastReadings, span, signal);
}

async function loadLast(
  engine: AlertEngine,
  sensors: readonly Sensor[],
  lastReadings: LastReadings,
  span: (sensorId: number, staleAfterUs: Micros) => ReadingSpan,
  signal?: AbortSignal,
): Promise<void> {
  const watched = new Map<number, Sensor>();
  for (const sensor of sensors)
    if (engine.rules.longestStaleUs(sensor) === undefined) engine.register(sensor);
    else watched.set(sensor.id, sensor);
  for (const slice of slicesOf([...watched.values()], LAST_SLICE)) {
    const spans = slice.map((sensor) => span(sensor.id, engine.rules.longestStaleUs(sensor) ?? 0));
    const found = await lastReadings(spans, metricsOf(engine.rules, slice));
    // The caller has given up, and newer readings may have been evaluated meanwhile.
    if (signal?.aborted === true) return;
    for (const { sensorId, metric, timeUs, value } of found) {
      const sensor = watched.get(sensorId);
      if (sensor !== undefined) restoreLast(engine, sensor, metric, { timeUs, value });
    }
    // Known from here on: where a later query fails, or takes too long, only its sensors are queried again.
    for (const sensor of slice) engine.register(sensor);
  }
}

/** Metrics that the rules of any of the sensors refer to; undefined: any metric. */
function metricsOf(rules: RuleSet, sensors: readonly Sensor[]): ReadonlySet<string> | undefined {
  const all = new Set<string>();
  for (const sensor of sensors) {
    const metrics = rules.metricsOf(sensor);
    if (metrics === undefined) return undefined;
    for (const metric of metrics) all.add(metric);
  }
  return all;
}

/** A metric whose silence counts, and the last reading of it; or a sensor, and the newest of its readings, as far as it was read. */
export interface Expected {
  readonly sensor: Sensor;
  readonly metric: string;
  readonly last: LastEvent | undefined;
}

/**
 * Series whose silence counts: a metric that a sensor has sent recently; and a sensor that sent nothing, as a sensor. So a
 * sensor without a battery gets no battery alert, and one that never sent anything gets one. With `offline_after`, every
 * registered sensor.
 */
export async function loadExpected(
  rules: RuleSet,
  sensors: readonly Sensor[],
  lastReadings: LastReadings,
  nowUs: Micros,
): Promise<readonly Expected[]> {
  const toUs = nowUs + rules.futureSkewUs;
  const expected: Expected[] = [];
  for (const slice of slicesOf(sensors.filter((sensor) => rules.watchesSilence(sensor)))) {
    const byId = new Map(slice.map((sensor) => [sensor.id, sensor]));
    const spans = slice
      .filter((sensor) => rules.missesMetrics(sensor))
      .map(({ id: sensorId }) => ({ sensorId, fromUs: toUs - EXPECTED_US, toUs }));
    const newest = new Map<number, LastEvent>();
    for (const { sensorId, metric, timeUs, value } of await lastReadings(spans)) {
      const sensor = byId.get(sensorId);
      const last = { timeUs, value };
      if (sensor !== undefined) expected.push({ sensor, metric, last });
      if (timeUs > (newest.get(sensorId)?.timeUs ?? -Infinity)) newest.set(sensorId, last);
    }
    for (const sensor of slice) {
      const last = newest.get(sensor.id);
      if (last === undefined || rules.rulesFor(sensor).countsMessages)
        expected.push({ sensor, metric: OF_SENSOR, last });
    }
  }
  return expected;
}

function unregistered(row: AlertStateRow): Sensor {
  const { sensorId: id } = row;
  return { id, key: `sensor ${id}`, name: null, type: null, location: null, tags: [] };
}

function oldestEvents(
  rows: readonly { readonly sensorId: number; readonly lastEventUs: Micros }[],
): ReadonlyMap<number, Micros> {
  const oldest = new Map<number, Micros>();
  for (const { sensorId, lastEventUs } of rows)
    oldest.set(sensorId, Math.min(lastEventUs, oldest.get(sensorId) ?? Infinity));
  return oldest;
}
