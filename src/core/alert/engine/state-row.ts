import type { Micros, Millis } from '../../reading.ts';
import { kindOf } from '../kind/index.ts';
import { EMPTY_MEMORY, type Memory } from '../kind/rule-kind.ts';
import { excessOf } from '../kind/limits.ts';
import { type AlertStateRow, SEVERITIES, type SuppressedBy, type AlertKey } from '../model.ts';
import type { Condition } from '../rules/condition.ts';
import { type Ack, type Episode, type EpisodeState, closedUsOf } from '../state/state.ts';

import type { AlertInstance } from './alert-instance.ts';

import type { Series } from './series.ts';

/**
 * The part of a state without a column of its own. Written and read only here, but for `owed`, which SQL reads too. The
 * names are those of stored rows: `owed` is `deferredSinceMs`, `told` is `notifiedMs`.
 */
interface Detail {
  readonly fired?: readonly Micros[];
  readonly levels?: readonly (Micros | null)[];
  readonly streak?: number;
  readonly flaps?: readonly Micros[];
  readonly flapped?: boolean;
  readonly raw?: 'breach' | 'clear';
  readonly changed?: Micros;
  readonly ack?: Ack;
  readonly excess?: number;
  readonly window?: Memory;
  readonly owed?: Millis;
  readonly deferred?: SuppressedBy;
  /** When the series was last received, by the clock. */
  readonly received?: Millis;
  readonly told?: Millis;
  readonly closed?: Micros;
}

export type AlertIdOf = (key: AlertKey, startedAtMs: number) => string;

/**
 * Spread at the end of a row, never at its beginning: V8 gives an object that begins with a spread a shape of its
 * own, at 50 times the time and three times the memory.
 */
export const keyOfInstance = ({ sensorId }: Series, { condition }: AlertInstance): AlertKey => ({
  sensorId,
  metric: condition.metric,
  kind: condition.kind,
  side: condition.side,
});

/** An episode keeps the id under which it was stored, however that was derived. */
export const idOf = (key: AlertKey, { alertId, startedAtUs }: Episode, made: AlertIdOf): string =>
  alertId ?? made(key, startedAtMs(startedAtUs));

export const startedAtMs = (startedAtUs: Micros) => Math.floor(startedAtUs / 1000);

/** The row of an instance in the current working set. `ok` without detail is a delete. */
export function rowOf(series: Series, instance: AlertInstance, alertId: AlertIdOf): AlertStateRow {
  const { condition, work, memory } = instance;
  const episode = 'episode' in work ? work.episode : undefined;
  const key = keyOfInstance(series, instance);
  return {
    alertType: condition.alertType,
    state: work.kind,
    alertId: episode === undefined ? null : idOf(key, episode, alertId),
    severity: episode?.severity ?? condition.levels[0]?.severity ?? 'warning',
    sinceUs: 'sinceUs' in work ? work.sinceUs : null,
    startedAtUs: episode?.startedAtUs ?? null,
    firedAtUs: episode?.firedAtUs[0] ?? null,
    threshold: episode?.threshold ?? null,
    peakValue: episode?.peak ?? null,
    seq: episode?.seq ?? 0,
    lastEventUs: series.last?.timeUs ?? 0,
    lastValue: series.last?.value ?? 0,
    ruleHash: condition.hash,
    detail: detailOf(work, storedMemory(instance, memory), series.lastReceivedMs),
    ...key,
  };
}

/** A memory that is not worth storing alone is not stored with another state either. */
function storedMemory({ condition }: AlertInstance, memory: Memory): Memory {
  const kind = kindOf(condition.kind);
  return kind.storedMark?.(memory) === 0 ? EMPTY_MEMORY : memory;
}

function detailOf(
  state: EpisodeState,
  window: Memory,
  received: Millis | undefined,
): Readonly<Record<string, unknown>> {
  const closed = closedUsOf(state);
  if (state.kind === 'ok' && closed === undefined && state.flaps.length + window.length === 0) return {};
  const episode = 'episode' in state ? state.episode : undefined;
  const detail: Detail = {
    ...(received === undefined ? {} : { received }),
    ...(episode === undefined ? {} : { fired: episode.firedAtUs, excess: episode.peakExcess }),
    ...(episode?.flapped === true ? { flapped: true } : {}),
    ...(episode?.ack === undefined ? {} : { ack: episode.ack }),
    ...(episode?.deferredSinceMs === undefined ? {} : { owed: episode.deferredSinceMs }),
    ...(episode?.deferredBy === undefined ? {} : { deferred: episode.deferredBy }),
    ...(episode?.notifiedMs === undefined ? {} : { told: episode.notifiedMs }),
    ...('levels' in state ? { levels: state.levels.map((since) => since ?? null) } : {}),
    ...(state.kind === 'pending' ? { streak: state.streak } : {}),
    ...(state.kind === 'flapping' ? { raw: state.raw, changed: state.changedAtUs } : {}),
    ...(state.flaps.length === 0 ? {} : { flaps: state.flaps }),
    ...(window.length === 0 ? {} : { window }),
    ...(closed === undefined ? {} : { closed }),
  };
  return detail as unknown as Readonly<Record<string, unknown>>;
}

/** The memory of its kind. */
export function memoryOf(row: AlertStateRow): Memory | undefined {
  const { window } = row.detail as Partial<Detail>;
  return Array.isArray(window) ? window : undefined;
}

export function receivedOf(row: AlertStateRow): Millis | undefined {
  const { received } = row.detail as Partial<Detail>;
  return typeof received === 'number' ? received : undefined;
}

/** The state that a row holds: the inverse of `rowOf`. */
export function stateOf(row: AlertStateRow, condition: Condition | undefined): EpisodeState {
  const detail = row.detail as Partial<Detail>;
  const flaps = detail.flaps ?? [];
  const levels = (detail.levels ?? []).map((since) => since ?? undefined);
  const sinceUs = row.sinceUs ?? row.lastEventUs;
  if (row.state === 'ok') return { kind: 'ok', flaps, closedUs: detail.closed };
  if (row.state === 'pending') return { kind: 'pending', sinceUs, levels, streak: detail.streak ?? 1, flaps };
  const episode = episodeOf(row, detail, condition);
  switch (row.state) {
    case 'firing':
      return { kind: 'firing', episode, levels, flaps };
    case 'recovering':
      return { kind: 'recovering', sinceUs, episode, flaps };
    case 'latched':
      return { kind: 'latched', episode, flaps };
    case 'flapping': {
      const { raw = 'breach', changed = row.lastEventUs } = detail;
      return { kind: 'flapping', episode, raw, changedAtUs: changed, flaps };
    }
  }
}

function episodeOf(row: AlertStateRow, detail: Partial<Detail>, condition: Condition | undefined): Episode {
  const firedAtUs = detail.fired ?? (row.firedAtUs === null ? [] : [row.firedAtUs]);
  const peak = row.peakValue ?? row.lastValue;
  return {
    alertId: row.alertId ?? undefined,
    startedAtUs: row.startedAtUs ?? row.firedAtUs ?? row.lastEventUs,
    firedAtUs,
    severity: SEVERITIES.find((severity) => severity === row.severity) ?? 'warning',
    threshold: row.threshold ?? peak,
    peak,
    peakExcess: detail.excess ?? (condition === undefined ? peak : excessOf(condition, peak)),
    seq: row.seq,
    ack: detail.ack,
    flapped: detail.flapped ?? false,
    deferredSinceMs: detail.owed,
    deferredBy: detail.deferred,
    notifiedMs: detail.told,
  };
}
