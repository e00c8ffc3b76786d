import type { AlertEngine } from '../../core/alert/engine/engine.ts';
import { restoreWaiting } from '../../core/alert/engine/restore.ts';
import { heldOf } from '../../core/alert/engine/copied-numbers.ts';
import type { FoundWaiting, Unstored } from '../../core/alert/engine/waiting-log.ts';
import { type WaitingSeries, foldWaiting, isWaiting } from '../../core/alert/engine/waiting.ts';
import type { AlertStateRow } from '../../core/alert/model.ts';
import type { Micros, Millis } from '../../core/reading.ts';
import { slicesOf } from '../../lib/slices.ts';
import type { AlertStore, LastReading } from '../../ports/alerts.ts';
import type { Sensor } from '../../ports/sensors.ts';

interface Target {
  readonly engine: AlertEngine;
  readonly store: Pick<AlertStore, 'loadWaiting' | 'loadReadings'>;
  readonly group: string;
  readonly shards?: readonly number[] | undefined;
  readonly nowMs: Millis;
}

/** The waiting readings that a start has restored. */
interface Restored {
  readonly sensors: readonly Sensor[];
  readonly series: readonly { readonly sensorId: number; readonly lastEventUs: Micros }[];
  readonly found: FoundWaiting;
}

/**
 * After the states: the readings that waited when the last process ended wait again, from now on. Only those are read back
 * from where they were stored; copies that an earlier version kept in its states are put into the log with the first
 * batch.
 */
export async function loadWaiting(
  { engine, store, group, shards, nowMs }: Target,
  known: ReadonlyMap<number, Sensor>,
  rows: readonly AlertStateRow[],
): Promise<Restored> {
  const { rows: logged, upTo } = await store.loadWaiting(group, shards);
  const all = foldWaiting(logged).filter((series) => known.has(series.sensorId) && isWaiting(series));
  const stored = await readBack(store, all);
  for (const series of all) {
    const sensor = known.get(series.sensorId);
    if (sensor !== undefined) restoreWaiting(engine, sensor, series, stored.get(nameOf(series)) ?? [], nowMs);
  }
  const copied = copiesOf(rows);
  return {
    sensors: all.flatMap(({ sensorId }) => known.get(sensorId) ?? []),
    series: all.map(({ sensorId, lastUs, fromUs }) => ({
      sensorId,
      lastEventUs: lastUs === -Infinity ? fromUs : lastUs,
    })),
    found: {
      upTo,
      any: logged.length > 0 || copied.length > 0,
      unstored: [...all.flatMap(unstoredOf), ...copied],
    },
  };
}

/** The stored values of the series' sensors within the times in which anything waits. */
async function readBack(
  store: Pick<AlertStore, 'loadReadings'>,
  all: readonly WaitingSeries[],
): Promise<ReadonlyMap<string, LastReading[]>> {
  const spans = new Map<number, { fromUs: Micros; toUs: Micros }>();
  for (const { sensorId, fromUs, untilUs } of all) {
    const span = spans.get(sensorId);
    spans.set(sensorId, {
      fromUs: Math.min(fromUs, span?.fromUs ?? Infinity),
      toUs: Math.max(untilUs, span?.toUs ?? -Infinity),
    });
  }
  const found = new Map<string, LastReading[]>(all.map((series) => [nameOf(series), []]));
  for (const slice of slicesOf([...spans].map(([sensorId, span]) => ({ sensorId, ...span }))))
    for (const reading of await store.loadReadings(slice)) found.get(nameOf(reading))?.push(reading);
  return found;
}

const unstoredOf = ({ sensorId, metric, unstored }: WaitingSeries): Unstored[] =>
  unstored.map((number) => ({ sensorId, metric, ...number }));

/** Whether they are stored is unknown. */
const copiesOf = (rows: readonly AlertStateRow[]): Unstored[] =>
  rows.flatMap((row) => {
    const { sensorId, metric } = row;
    return (heldOf(row) ?? []).map(({ timeUs, value }) => ({ sensorId, metric, timeUs, value }));
  });

const nameOf = ({ sensorId, metric }: { readonly sensorId: number; readonly metric: string }): string =>
  `${sensorId}|${metric}`;
