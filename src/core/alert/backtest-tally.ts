import type { Micros } from '../reading.ts';
import type { BacktestEpisode } from './backtest.ts';

const DAY_US = 86_400_000_000;

/** What is counted of one sensor's alert type. */
export interface SensorTally {
  readonly sensor: string;
  readonly alertType: string;
  episodes: number;
  /** Time that its episodes were open within the range, in seconds; the longest of them. */
  openS: number;
  longestS: number;
}

/** Counts episodes as they end, and keeps them up to a bound: a threshold that is far off gives millions. */
export class BacktestTally {
  episodes = 0;
  /** By the UTC day of the firing, in order of first mention. */
  readonly days = new Map<string, number>();
  readonly sensors = new Map<string, SensorTally>();
  readonly kept: BacktestEpisode[] = [];
  private readonly untilUs: Micros;
  private readonly keep: number;

  /** `untilUs`: until when an open episode counts. */
  constructor(untilUs: Micros, keep: number) {
    this.untilUs = untilUs;
    this.keep = keep;
  }

  /** True when there were more episodes than are kept; the counts are right nevertheless. */
  get truncated(): boolean {
    return this.episodes > this.kept.length;
  }

  add(episode: BacktestEpisode): void {
    this.episodes++;
    if (this.kept.length < this.keep) this.kept.push(episode);
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
  /** Of the proposed rules: overlaps with an episode of the current ones. */
  readonly same: readonly BacktestEpisode[];
  readonly gained: readonly BacktestEpisode[];
  /** Of the current rules: nothing overlaps with it any more. */
  readonly lost: readonly BacktestEpisode[];
}

/**
 * Which episodes other rules add and which they take away. Another threshold moves both ends of an episode, so one is the
 * same where it overlaps in time with one of the same sensor and alert type.
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

/** Per sensor and alert type; in the order of their times, and one after the other. */
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

/** A binary search for the first that ends after the start: it overlaps, or none does. */
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
