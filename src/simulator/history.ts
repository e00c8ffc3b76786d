import type { TableChunk } from '../core/ingest/table/reading-block.ts';
import { Fleet } from './fleet.ts';
import { type Random, between, exponential, noise, seededRandom } from './random.ts';

export interface HistoryOptions {
  readonly sensors: number;
  readonly seed: number;
  readonly fromMs: number;
  readonly toMs: number;
  /** Between two readings of a sensor. */
  readonly everyMs: number;
}

const METRICS = ['temperature', 'humidity', 'pressure', 'battery', 'rssi', 'co2', 'power', 'energy'] as const;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const CHUNK_ROWS = 5000;
const NEVER_MS = 1e15;
/** How often each happens to a sensor, and how long it lasts. */
const GAPS = { everyMs: 5 * DAY_MS, leastMs: HOUR_MS, mostMs: 8 * HOUR_MS };
const FAULTS = { everyMs: 4 * DAY_MS, leastMs: HOUR_MS, mostMs: 3 * HOUR_MS };
/** A meter starts again at zero, as after a power cut. */
const RESETS = { everyMs: 20 * DAY_MS, leastMs: 0, mostMs: 1 };

interface Happening {
  readonly everyMs: number;
  readonly leastMs: number;
  readonly mostMs: number;
}

/** Times in which something lasts, one after the other. */
class Happenings {
  readonly #kind: Happening;
  readonly #random: Random;
  #fromMs: number;
  #untilMs: number;

  constructor(kind: Happening, random: Random, startMs: number) {
    this.#kind = kind;
    this.#random = random;
    this.#fromMs = startMs + exponential(random, kind.everyMs);
    this.#untilMs = this.#fromMs + between(random, kind.leastMs, kind.mostMs);
  }

  /** Whether it lasts at `nowMs`; `begun`: whether one began since the last call. Times only rise. */
  at(nowMs: number): { readonly lasts: boolean; readonly begun: boolean } {
    let begun = false;
    while (this.#untilMs <= nowMs) {
      begun ||= this.#fromMs <= nowMs;
      this.#fromMs = this.#untilMs + exponential(this.#random, this.#kind.everyMs);
      this.#untilMs = this.#fromMs + between(this.#random, this.#kind.leastMs, this.#kind.mostMs);
    }
    return { lasts: this.#fromMs <= nowMs, begun };
  }
}

interface Faulty {
  readonly gaps: Happenings;
  readonly faults: Happenings;
  readonly resets: Happenings;
  /** Added to the temperature by the present fault; null: the values of its beginning stay. */
  offset: number | null;
  stuck: readonly number[] | undefined;
  energy: number;
}

/**
 * Rows of a simulated past: values with a daily rhythm, temperatures that leave their limits or stand still for an hour or more, gaps
 * of hours, meters that start again at zero. The same options give the same rows.
 */
export function* history({ sensors, seed, fromMs, toMs, everyMs }: HistoryOptions): Generator<TableChunk> {
  const random = seededRandom(seed);
  const startMs = Math.ceil(fromMs / everyMs) * everyMs;
  const quiet = { breachEveryMs: NEVER_MS, silenceEveryMs: NEVER_MS };
  const fleet = new Fleet({ sensors, random, startMs: startMs - DAY_MS, ...quiet });
  const faulty = Array.from({ length: sensors }, (): Faulty => ({
    gaps: new Happenings(GAPS, random, startMs),
    faults: new Happenings(FAULTS, random, startMs),
    resets: new Happenings(RESETS, random, startMs),
    ...{ offset: null, stuck: undefined, energy: between(random, 100, 5000) },
  }));
  const names = ['time', 'sensor', 'location', ...METRICS];
  let rows: unknown[][] = [];
  let firstRow = 1;
  for (let nowMs = startMs; nowMs < toMs; nowMs += everyMs) {
    for (const [index, state] of faulty.entries()) {
      const reading = fleet.sample(index, nowMs);
      const values =
        reading === undefined ? undefined : measured(reading.metrics, state, nowMs, everyMs, random);
      if (reading === undefined || values === undefined) continue;
      rows.push([nowMs, reading.device, reading.location, ...values]);
    }
    if (rows.length >= CHUNK_ROWS) {
      yield { names, rows, firstRow, share: (nowMs - startMs) / (toMs - startMs) };
      firstRow += rows.length;
      rows = [];
    }
  }
  if (rows.length > 0) yield { names, rows, firstRow, share: 1 };
}

type CoreValues = Readonly<Record<'temperature' | 'humidity' | 'pressure' | 'battery' | 'rssi', number>>;

/** Undefined in a gap. The meter counts on in it. */
function measured(
  { temperature, humidity, pressure, battery, rssi }: CoreValues,
  state: Faulty,
  nowMs: number,
  everyMs: number,
  random: Random,
): readonly number[] | undefined {
  // People are there from eight to six.
  const busy = Math.max(0, Math.sin((2 * Math.PI * (nowMs - 7 * HOUR_MS)) / DAY_MS));
  const power = Math.max(0, 60 + 400 * busy + noise(random, 15));
  if (state.resets.at(nowMs).begun) state.energy = 0;
  state.energy += (power * everyMs) / HOUR_MS / 1000;
  const fault = state.faults.at(nowMs);
  if (!fault.lasts) {
    state.stuck = undefined;
    state.offset = random() < 0.5 ? null : between(random, 8, 20) * (random() < 0.5 ? -1 : 1);
  }
  const offset = fault.lasts ? (state.offset ?? 0) : 0;
  const co2 = Math.round(430 + 500 * busy + noise(random, 20));
  const values = [
    round(temperature + offset),
    humidity,
    pressure,
    battery,
    rssi,
    co2,
    round(power),
    round(state.energy),
  ];
  if (state.gaps.at(nowMs).lasts) return undefined;
  if (fault.lasts && state.offset === null) {
    state.stuck ??= values;
    return [...state.stuck.slice(0, 3), ...values.slice(3)];
  }
  return values;
}

const round = (value: number): number => Math.round(value * 1000) / 1000;
