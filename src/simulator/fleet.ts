import { PLACES, type Place, type Swing } from './places.ts';
import { STORY, type StorySensor, hasStory, storySeconds } from './story.ts';
import { type Random, between, exponential, noise } from './random.ts';

export interface FleetOptions {
  readonly sensors: number;
  readonly random: Random;
  /** Wall clock at which the fleet comes to life, milliseconds since the epoch. */
  readonly startMs: number;
  /** Mean time between breaches over the whole fleet; the first comes within three seconds. Default 15 s. */
  readonly breachEveryMs?: number;
  /** Mean time between sensors that fall silent. Default 45 s. */
  readonly silenceEveryMs?: number;
  /** The last sensors are those of the story: to them happens what a demonstration shows. */
  readonly story?: boolean;
}

export interface SimulatedReading {
  readonly location: string;
  readonly device: string;
  /** The device's own clock, milliseconds. Strictly increasing per device. */
  readonly ts: number;
  readonly metrics: Readonly<Record<'temperature' | 'humidity' | 'pressure' | 'battery' | 'rssi', number>>;
}

interface Breach {
  readonly metric: 'temperature' | 'humidity';
  readonly fromMs: number;
  readonly untilMs: number;
  /** Added to the metric at the height of the breach. */
  readonly offset: number;
}

interface SimulatedSensor {
  readonly place: Place;
  /** Instead of chance. */
  readonly story: StorySensor | undefined;
  readonly device: string;
  /** This sensor's own deviation: no two in a room agree. */
  readonly bias: { readonly temperature: number; readonly humidity: number };
  readonly batteryAtStart: number;
  /** Percent per day. */
  readonly batteryDrain: number;
  readonly rssi: number;
  breach: Breach | undefined;
  silentUntilMs: number;
  lastTs: number;
}

const DAY_MS = 86_400_000;
/** As in every real fleet, one battery is nearly empty; the usual limit is 15 %. */
const WEAK_SENSOR = 7;
const FIRST_BREACH_MS = 1_000;
/** The first breach is a quick one: a demonstration shows both its alert and its end. */
const FIRST_BREACH_LASTS_MS = 20_000;

/**
 * Sensors whose values drift with the time of day, leave their limits now and then, and sometimes fall silent.
 * Pure: time comes in as `nowMs` and chance as a random source, so a seed and a sequence of calls give the same fleet.
 */
export class Fleet {
  readonly #options: FleetOptions;
  readonly #sensors: readonly SimulatedSensor[];
  /** Sensors in front of those of the story. */
  readonly #byChance: number;
  #breaches = 0;
  #nextBreachMs: number;
  #nextSilenceMs: number;

  constructor(options: FleetOptions) {
    this.#options = options;
    const story = options.story === true && hasStory(options.sensors) ? STORY : [];
    this.#sensors = Array.from({ length: options.sensors }, (_, index) =>
      createSensor(index, options.random, story[index - (options.sensors - story.length)]),
    );
    this.#byChance = options.sensors - story.length;
    this.#nextBreachMs = options.startMs + between(options.random, FIRST_BREACH_MS / 2, FIRST_BREACH_MS);
    this.#nextSilenceMs = options.startMs + exponential(options.random, options.silenceEveryMs ?? 45_000);
  }

  get size(): number {
    return this.#sensors.length;
  }

  /** The reading of sensor `index` at `nowMs`; undefined while it is silent. */
  sample(index: number, nowMs: number): SimulatedReading | undefined {
    this.#letThingsHappen(nowMs);
    const sensor = this.#sensors[index];
    if (sensor === undefined || nowMs < sensor.silentUntilMs) return undefined;
    const measured = sensor.story?.measure(storySeconds(nowMs - this.#options.startMs), this.#options.random);
    if (sensor.story !== undefined && measured === undefined) return undefined;
    // (sensor, time) is the key of a reading: however fast it is asked, a device never repeats a timestamp.
    sensor.lastTs = Math.max(Math.floor(nowMs), sensor.lastTs + 1);
    const { place, device, lastTs: ts } = sensor;
    const location = sensor.story?.location ?? place.location;
    return { location, device, ts, metrics: this.#measure(sensor, nowMs, measured) };
  }

  #measure(
    sensor: SimulatedSensor,
    nowMs: number,
    measured: ReturnType<StorySensor['measure']>,
  ): SimulatedReading['metrics'] {
    const { random, startMs } = this.#options;
    const drained = (sensor.batteryDrain * (nowMs - startMs)) / DAY_MS;
    const pressure = 1013 + 6 * Math.sin((2 * Math.PI * nowMs) / (3 * DAY_MS)) + noise(random, 0.15);
    return {
      temperature: round(measured?.temperature ?? this.#value(sensor, 'temperature', nowMs), 2),
      humidity: round(
        Math.min(100, Math.max(0, measured?.humidity ?? this.#value(sensor, 'humidity', nowMs))),
        1,
      ),
      pressure: round(pressure, 1),
      battery: round(Math.max(0, sensor.batteryAtStart - drained), 2),
      rssi: Math.round(sensor.rssi + noise(random, 2)),
    };
  }

  #value(sensor: SimulatedSensor, metric: Breach['metric'], nowMs: number): number {
    const swing = sensor.place[metric];
    const breach = sensor.breach?.metric === metric ? sensor.breach : undefined;
    // Humidity falls when it gets warm.
    const sign = metric === 'temperature' ? 1 : -1;
    return (
      swing.base +
      sign * swing.amplitude * timeOfDay(nowMs) +
      sensor.bias[metric] +
      noise(this.#options.random, swing.sigma) +
      (breach === undefined ? 0 : breach.offset * strength(breach, nowMs))
    );
  }

  /** Starts the breaches and silences that are due, however long ago the last call was. */
  #letThingsHappen(nowMs: number): void {
    const { random, breachEveryMs = 15_000, silenceEveryMs = 45_000 } = this.#options;
    while (this.#nextBreachMs <= nowMs) {
      const sensor = this.#pick();
      const lastsMs = this.#breaches++ === 0 ? FIRST_BREACH_LASTS_MS : between(random, 10_000, 75_000);
      if (sensor !== undefined)
        sensor.breach = createBreach(sensor.place, this.#nextBreachMs, lastsMs, random);
      this.#nextBreachMs += exponential(random, breachEveryMs);
    }
    while (this.#nextSilenceMs <= nowMs) {
      const sensor = this.#pick();
      if (sensor !== undefined) sensor.silentUntilMs = this.#nextSilenceMs + between(random, 60_000, 300_000);
      this.#nextSilenceMs += exponential(random, silenceEveryMs);
    }
  }

  #pick(): SimulatedSensor | undefined {
    return this.#sensors[Math.floor(this.#options.random() * this.#byChance)];
  }
}

function createSensor(index: number, random: Random, story?: StorySensor): SimulatedSensor {
  const place = PLACES[index % PLACES.length];
  if (place === undefined) throw new Error('the simulator has no places');
  const number = String(Math.floor(index / PLACES.length) + 1).padStart(2, '0');
  return {
    place,
    story,
    device: story?.device ?? `${place.location}-${number}`,
    bias: { temperature: noise(random, 0.3), humidity: noise(random, 1) },
    batteryAtStart: index === WEAK_SENSOR ? 13.5 : between(random, 20, 100),
    batteryDrain: between(random, 0.3, 1.5),
    rssi: between(random, -88, -48),
    breach: undefined,
    silentUntilMs: 0,
    lastTs: 0,
  };
}

/** A door left open, a heater that fails, a sprinkler: out of the limits for a while, then back. */
function createBreach(place: Place, fromMs: number, lastsMs: number, random: Random): Breach {
  const metric = random() < 0.75 ? 'temperature' : 'humidity';
  const swing: Swing = place[metric];
  const { min, max } = place.limits[metric];
  const upwards = random() < 0.8;
  const beyond = (max - min) * between(random, 0.1, 0.35) + swing.amplitude * 1.5;
  return {
    metric,
    fromMs,
    untilMs: fromMs + lastsMs,
    offset: upwards ? max - swing.base + beyond : min - swing.base - beyond,
  };
}

/** 0 outside of the breach, 1 at its height; a fifth of its time each way in between. */
function strength(breach: Breach, nowMs: number): number {
  const done = (nowMs - breach.fromMs) / (breach.untilMs - breach.fromMs);
  return Math.max(0, Math.min(1, done / 0.2, (1 - done) / 0.2));
}

/** -1 at three in the morning UTC, 1 at three in the afternoon. */
const timeOfDay = (nowMs: number): number => Math.sin((2 * Math.PI * nowMs) / DAY_MS - (3 * Math.PI) / 4);

const round = (value: number, digits: number): number => Number(value.toFixed(digits));
