import type { Micros, Millis } from '../../reading.ts';
import { batchOfWork } from '../engine/alert-batch.ts';
import { OF_SENSOR } from '../engine/alert-key.ts';
import { AlertEngine } from '../engine/engine.ts';
import type { AlertIdOf } from '../engine/state-row.ts';
import type {
  AlertBatch,
  AlertKey,
  AlertResolution,
  AlertRow,
  AlertType,
  ResolveReason,
  Severity,
} from '../model.ts';
import { countKey } from '../rules/config.ts';
import type { SensorFacts } from '../rules/effective.ts';
import type { RuleSet } from '../rules/rule-set.ts';

/** An episode that the rules would have produced: its rows of `sensor_alerts` as one. */
export interface BacktestEpisode extends AlertKey {
  readonly sensorKey: string;
  readonly alertType: AlertType;
  readonly alertId: string;
  /** The highest that it reached. */
  readonly severity: Severity;
  readonly startedAtUs: Micros;
  /** Times of its rows: the firing, then each escalation. */
  readonly firedAtUs: readonly Micros[];
  /** The value that fired it, and the limit crossed then. */
  readonly value: number;
  readonly threshold: number;
  /** undefined: open at the end. */
  readonly resolvedAtUs: Micros | undefined;
  readonly resolvedValue: number | null;
  readonly peakValue: number | null;
  readonly reason: ResolveReason | undefined;
  readonly flapping: boolean;
}

/**
 * Runs stored readings through the engine of the daemon. The receive clock is not stored: each reading arrives at its
 * event time, so none is late, and the clock stops at every deadline between two readings, as it does live. Memory is
 * that of the engine and of the open episodes.
 */
export class Backtest {
  private readonly engine: AlertEngine;
  private readonly alertId: AlertIdOf;
  private readonly ended: (episode: BacktestEpisode) => void;
  private readonly wrote: ((batch: AlertBatch) => void) | undefined;
  private readonly keys = new Map<number, string>();
  private readonly open = new Map<string, BacktestEpisode>();

  /** `ended` is called for every episode when it resolves. The broker counts as connected since `fromMs`. */
  constructor(
    rules: RuleSet,
    deps: {
      readonly alertId: AlertIdOf;
      readonly fromMs: Millis;
      readonly ended: (episode: BacktestEpisode) => void;
      /** Called with the rows of each step, as a daemon would store them. */
      readonly wrote?: ((batch: AlertBatch) => void) | undefined;
    },
  ) {
    this.engine = new AlertEngine(rules);
    this.engine.connected(deps.fromMs);
    this.alertId = deps.alertId;
    this.ended = deps.ended;
    this.wrote = deps.wrote;
  }

  /**
   * Sensors that need no reading of their own: gateways, and those that carry the alerts of counts; one that is not among
   * them gets an id of its own.
   */
  know(sensors: readonly SensorFacts[]): void {
    const byKey = new Map(sensors.map((sensor) => [sensor.key, sensor]));
    (this.engine.rules.config.counts ?? []).forEach(({ name }, index) => {
      const key = countKey(name);
      const sensor = byKey.get(key) ?? { id: -1 - index, key, type: null, location: null, tags: [] };
      this.keys.set(sensor.id, key);
      this.engine.attachCount(sensor);
    });
    const gateways = new Set(sensors.map(({ gateway }) => gateway));
    for (const sensor of sensors) {
      if (!gateways.has(sensor.key)) continue;
      this.keys.set(sensor.id, sensor.key);
      this.engine.seriesOf(sensor, OF_SENSOR);
    }
  }

  /** Readings in the order of their times. */
  reading(sensor: SensorFacts, timeUs: Micros, metrics: ReadonlyMap<string, number>): void {
    // As ingest stamps it: the arrival in whole milliseconds.
    const receivedAtMs = Math.floor(timeUs / 1000);
    this.pass(receivedAtMs);
    if (!this.keys.has(sensor.id)) this.keys.set(sensor.id, sensor.key);
    this.engine.begin();
    this.engine.reading({ sensor, timeUs, receivedAtMs, metrics });
    this.commit();
  }

  /** Advances time to the end; returns the episodes open then, by their first row. */
  end(atMs: Millis): readonly BacktestEpisode[] {
    this.pass(atMs);
    return [...this.open.values()];
  }

  private pass(untilMs: Millis): void {
    for (let dueMs = this.engine.nextDueMs; dueMs <= untilMs; dueMs = this.engine.nextDueMs) {
      this.engine.begin();
      this.engine.tick(dueMs);
      this.commit();
    }
  }

  private commit(): void {
    const { work } = this.engine;
    if (work.effects.length > 0) {
      const batch = batchOfWork(work, this.alertId);
      this.wrote?.(batch);
      this.take(batch);
    }
    this.engine.commit();
  }

  /** An episode may fire and resolve in one step, and another one of the same type after it: rows first, then ends. */
  private take({ raised, resolved }: AlertBatch): void {
    for (const row of raised) this.raise(row);
    for (const end of resolved) {
      const episode = this.open.get(end.alertId);
      if (episode === undefined) continue;
      this.open.delete(end.alertId);
      this.ended(closed(episode, end));
    }
  }

  private raise(row: AlertRow): void {
    const before = this.open.get(row.alertId);
    if (before !== undefined) {
      const { severity, timeUs, value, threshold } = row;
      const { firedAtUs } = before;
      // Two crossings at one moment share a row (the time is in its key), which shows the higher severity.
      if (!firedAtUs.includes(timeUs))
        this.open.set(row.alertId, { ...before, severity, firedAtUs: [...firedAtUs, timeUs] });
      else if (firedAtUs[0] === timeUs) this.open.set(row.alertId, { ...before, severity, value, threshold });
      else this.open.set(row.alertId, { ...before, severity });
      return;
    }
    const { sensorId, metric, kind, side, alertType, alertId, severity, startedAtUs, timeUs } = row;
    const { value, threshold } = row;
    this.open.set(alertId, {
      ...{ sensorId, metric, kind, side, alertType, alertId, severity, startedAtUs, value, threshold },
      sensorKey: this.keys.get(sensorId) ?? `sensor ${sensorId}`,
      firedAtUs: [timeUs],
      ...{ resolvedAtUs: undefined, resolvedValue: null, peakValue: null, reason: undefined },
      flapping: false,
    });
  }
}

function closed(episode: BacktestEpisode, end: AlertResolution): BacktestEpisode {
  const { resolvedAtUs, resolvedValue, peakValue, reason, flapping } = end;
  return { ...episode, resolvedAtUs, resolvedValue, peakValue, reason, flapping };
}

const DAY_US = 86_400_000_000;

/** Counts for one sensor's alert type. */
export interface SensorTally {
  readonly sensor: string;
  readonly alertType: string;
  episodes: number;
  /** Seconds that its episodes were open within the range: in total, and the longest. */
  openS: number;
  longestS: number;
}

/** Counts episodes as they end, and retains them up to a bound: a threshold that is far off gives millions. */
export class BacktestTally {
  episodes = 0;
  /** By the UTC day of the firing, in order of first mention. */
  readonly days = new Map<string, number>();
  readonly sensors = new Map<string, SensorTally>();
  readonly retained: BacktestEpisode[] = [];
  private readonly untilUs: Micros;
  private readonly keep: number;

  /** `untilUs`: until when an open episode counts. */
  constructor(untilUs: Micros, keep: number) {
    this.untilUs = untilUs;
    this.keep = keep;
  }

  /** True if there were more episodes than are retained; the counts are exact nevertheless. */
  get truncated(): boolean {
    return this.episodes > this.retained.length;
  }

  add(episode: BacktestEpisode): void {
    this.episodes++;
    if (this.retained.length < this.keep) this.retained.push(episode);
    const day = dayOf(firedOf(episode));
    this.days.set(day, (this.days.get(day) ?? 0) + 1);
    const key = keyOf(episode);
    let tally = this.sensors.get(key);
    if (tally === undefined) {
      const { sensorKey: sensor, alertType } = episode;
      this.sensors.set(key, (tally = { sensor, alertType, episodes: 0, openS: 0, longestS: 0 }));
    }
    const seconds = ((episode.resolvedAtUs ?? this.untilUs) - firedOf(episode)) / 1e6;
    tally.episodes++;
    tally.openS += seconds;
    tally.longestS = Math.max(tally.longestS, seconds);
  }
}

export interface Comparison {
  /** Proposed episodes that overlap with an episode of the current rules. */
  readonly same: readonly BacktestEpisode[];
  readonly gained: readonly BacktestEpisode[];
  /** Current episodes that no proposed episode overlaps with. */
  readonly lost: readonly BacktestEpisode[];
}

/**
 * Which episodes other rules add and which they remove. Another threshold moves both ends of an episode, so two are
 * the same if they overlap in time and have the same sensor and alert type.
 */
export function compareEpisodes(
  current: readonly BacktestEpisode[],
  proposed: readonly BacktestEpisode[],
): Comparison {
  const before = byKey(current);
  const after = byKey(proposed);
  return {
    same: proposed.filter((each) => overlaps(each, before)),
    gained: proposed.filter((each) => !overlaps(each, before)),
    lost: current.filter((each) => !overlaps(each, after)),
  };
}

/** Per sensor and alert type, in the order of their times; they do not overlap. */
function byKey(episodes: readonly BacktestEpisode[]): ReadonlyMap<string, readonly BacktestEpisode[]> {
  const groups = new Map<string, BacktestEpisode[]>();
  for (const episode of episodes) {
    const key = keyOf(episode);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [episode]);
    else group.push(episode);
  }
  for (const group of groups.values()) group.sort((a, b) => firedOf(a) - firedOf(b));
  return groups;
}

/** A binary search for the first that ends after the start: either it overlaps, or none does. */
function overlaps(episode: BacktestEpisode, among: ReadonlyMap<string, readonly BacktestEpisode[]>): boolean {
  const group = among.get(keyOf(episode)) ?? [];
  let [low, high] = [0, group.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const each = group[middle];
    if (each !== undefined && endOf(each) < firedOf(episode)) low = middle + 1;
    else high = middle;
  }
  const found = group[low];
  return found !== undefined && firedOf(found) <= endOf(episode);
}

const keyOf = ({ sensorId, alertType }: BacktestEpisode) => `${sensorId}|${alertType}`;
const firedOf = ({ firedAtUs, startedAtUs }: BacktestEpisode): Micros => firedAtUs[0] ?? startedAtUs;
const endOf = ({ resolvedAtUs }: BacktestEpisode): Micros => resolvedAtUs ?? Infinity;
const dayOf = (us: Micros): string =>
  new Date(Math.floor(us / DAY_US) * 86_400_000).toISOString().slice(0, 10);
