import type { Millis } from '../../reading.ts';
import { FLOOD_WINDOW_MS, type Flood, FloodWatch } from '../engine/flood.ts';
import { SEVERITIES, type Severity } from '../model.ts';

/** An episode as it is stored. */
export interface KpiEpisode {
  readonly sensor: string;
  readonly alertType: string;
  /** The highest that it reached. */
  readonly severity: string;
  readonly firedMs: Millis;
  readonly resolvedMs: Millis | null;
  readonly ackedMs: Millis | null;
  /** It was history when it arrived: not notified. */
  readonly backfilled: boolean;
}

/** Durations in seconds; null where there are none. */
export interface Spread {
  readonly count: number;
  readonly medianS: number | null;
  readonly p90S: number | null;
  readonly longestS: number | null;
}

export interface AlertShare {
  readonly sensor: string;
  readonly alertType: string;
  readonly fired: number;
  /** Part of all that fired, 0 to 1. */
  readonly share: number;
}

export interface AlertKpis {
  /** Backfilled episodes are counted here and nowhere else. */
  readonly fired: number;
  readonly backfilled: number;
  readonly perHour: number;
  readonly per10min: number;
  /** Most episodes within any 10 minutes. */
  readonly most10min: number;
  readonly floods: readonly Flood[];
  /** Share of the range, 0 to 1. */
  readonly floodShare: number;
  /** Fired `CHATTERS` times or more within 10 minutes; the highest count. */
  readonly chattering: readonly (AlertShare & { readonly most10min: number })[];
  readonly top: readonly AlertShare[];
  /** Share of the ten most frequent in all that fired. */
  readonly topShare: number;
  readonly severities: readonly {
    readonly severity: string;
    readonly fired: number;
    readonly share: number;
  }[];
  readonly toAck: Spread;
  readonly toClear: Spread;
}

const TOP = 10;
/** ISA-18.2 uses one minute; sensors that report once a minute need ten to show the same. */
const CHATTERS = 3;

/** ISA-18.2 figures of a range. `all` are the episodes that fired within it, ordered by firing. */
export function alertKpis(all: readonly KpiEpisode[], range: { fromMs: Millis; toMs: Millis }): AlertKpis {
  const episodes = all.filter(({ backfilled }) => !backfilled);
  const spanMs = Math.max(range.toMs - range.fromMs, 1);
  const fired = episodes.length;
  const shares = sharesOf(episodes);
  const top = shares.slice(0, TOP).map(({ times: _, ...share }) => share);
  return {
    fired,
    backfilled: all.length - fired,
    perHour: (fired * 3_600_000) / spanMs,
    per10min: (fired * FLOOD_WINDOW_MS) / spanMs,
    ...floodsOf(episodes, range, spanMs),
    chattering: shares.flatMap(({ times, ...share }) => {
      const most10min = mostWithin(times, FLOOD_WINDOW_MS);
      return most10min >= CHATTERS ? [{ ...share, most10min }] : [];
    }),
    top,
    topShare: top.reduce((sum, { share }) => sum + share, 0),
    severities: severitiesOf(episodes),
    toAck: spread(episodes, ({ ackedMs }) => ackedMs),
    toClear: spread(episodes, ({ resolvedMs }) => resolvedMs),
  };
}

function floodsOf(episodes: readonly KpiEpisode[], range: { fromMs: Millis; toMs: Millis }, spanMs: Millis) {
  const floods: Flood[] = [];
  const watch = new FloodWatch((flood) => floods.push(flood));
  for (const { firedMs } of episodes) watch.fired(firedMs);
  watch.passTo(range.toMs);
  if (watch.open !== undefined) floods.push(watch.open);
  const floodMs = floods.reduce((sum, { fromMs, untilMs }) => sum + (untilMs ?? range.toMs) - fromMs, 0);
  return { most10min: watch.peak, floods, floodShare: floodMs / spanMs };
}

/** Per sensor and alert type, the most frequent first. */
function sharesOf(episodes: readonly KpiEpisode[]): (AlertShare & { readonly times: readonly Millis[] })[] {
  const groups = new Map<string, { sensor: string; alertType: string; times: Millis[] }>();
  for (const { sensor, alertType, firedMs } of episodes) {
    const key = `${alertType} ${sensor}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { sensor, alertType, times: [firedMs] });
    else group.times.push(firedMs);
  }
  return [...groups.values()]
    .map((group) => ({ ...group, fired: group.times.length, share: group.times.length / episodes.length }))
    .sort((a, b) => b.fired - a.fired);
}

/** The most of these times within any window. */
function mostWithin(times: readonly Millis[], windowMs: Millis): number {
  let [most, from] = [0, 0];
  times.forEach((time, index) => {
    while (time - (times[from] ?? time) >= windowMs) from++;
    most = Math.max(most, index - from + 1);
  });
  return most;
}

function severitiesOf(episodes: readonly KpiEpisode[]): AlertKpis['severities'] {
  const counts = new Map<string, number>();
  for (const { severity } of episodes) counts.set(severity, (counts.get(severity) ?? 0) + 1);
  return [...counts]
    .sort(([a], [b]) => SEVERITIES.indexOf(b as Severity) - SEVERITIES.indexOf(a as Severity))
    .map(([severity, fired]) => ({ severity, fired, share: fired / episodes.length }));
}

function spread(episodes: readonly KpiEpisode[], end: (episode: KpiEpisode) => Millis | null): Spread {
  const seconds = episodes
    .flatMap((episode) => {
      const endMs = end(episode);
      return endMs === null ? [] : [Math.max(0, endMs - episode.firedMs) / 1000];
    })
    .sort((a, b) => a - b);
  const at = (share: number) => seconds[Math.max(0, Math.ceil(share * seconds.length) - 1)] ?? null;
  return { count: seconds.length, medianS: at(0.5), p90S: at(0.9), longestS: at(1) };
}
