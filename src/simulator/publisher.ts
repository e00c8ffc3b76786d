import { type MqttClient, connect } from 'mqtt';
import { FieldwatchError, messageOf } from '../core/errors.ts';
import { PollLoop } from '../lib/poll-loop.ts';
import { endsWithin } from '../lib/timeout.ts';
import type { Clock } from '../ports/time.ts';
import { Fleet, type SimulatedReading } from './fleet.ts';
import { seededRandom } from './random.ts';

export interface SimulatorOptions {
  /** `mqtt://`, `mqtts://`, `ws://` or `wss://`. */
  readonly url: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly sensors: number;
  /** Messages a second over the whole fleet; 0 is as fast as the broker acknowledges. */
  readonly rate: number;
  readonly seed: number;
  /** Ends after this many messages; undefined: runs until `stop`. */
  readonly count?: number | undefined;
  /** Ends after this time; undefined: runs until `stop`. */
  readonly durationMs?: number | undefined;
  /** Messages that may wait for their PUBACK at a time. Default 200. */
  readonly maxInFlight?: number | undefined;
  readonly breachEveryMs?: number | undefined;
  readonly silenceEveryMs?: number | undefined;
  /** With the sensors of the story among them: see `Fleet`. */
  readonly story?: boolean | undefined;
}

export interface SimulationFigures {
  readonly published: number;
  readonly acknowledged: number;
  /** Refused by the broker, or given up at the end. */
  readonly failed: number;
  readonly elapsedMs: number;
}

export interface Simulator {
  figures(): SimulationFigures;
  /** Resolves when `count` or `durationMs` is reached, or after `stop`; what was published is then acknowledged or failed. */
  readonly done: Promise<SimulationFigures>;
  /** Publishes no more, waits a few seconds for what is in flight, disconnects. Idempotent. */
  stop(): Promise<SimulationFigures>;
}

const TICK_MS = 20;
/** A broker that was away is not flooded with what was missed. */
const MAX_DEBT_MS = 1_000;
const DRAIN_MS = 3_000;

/** Connects and starts to publish. Rejects with BROKER_UNREACHABLE when the first connection fails. */
export async function startSimulator(options: SimulatorOptions, clock: Clock): Promise<Simulator> {
  const client = await connectFirst(options);
  return new FleetPublisher(options, client, clock);
}

async function connectFirst({ url, username, password }: SimulatorOptions): Promise<MqttClient> {
  const client = connect(url, {
    // What every broker speaks, the embedded one included; a publisher gains nothing from MQTT 5 here.
    protocolVersion: 4,
    clean: true,
    clientId: `fieldwatch-simulator-${process.pid}-${Math.trunc(performance.now())}`,
    reconnectPeriod: 500,
    connectTimeout: 5_000,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
  });
  // MQTT.js reconnects by itself; without a listener its errors would end the process.
  client.on('error', () => {});
  try {
    await new Promise<void>((resolve, reject) => {
      client.once('connect', () => resolve());
      client.once('error', reject);
      client.once('close', () => reject(new Error('connection closed')));
    });
    return client;
  } catch (cause) {
    await client.endAsync(true);
    throw new FieldwatchError(`simulator: no connection to ${withoutCredentials(url)}: ${messageOf(cause)}`, {
      code: 'BROKER_UNREACHABLE',
      kind: 'transient',
      remedy:
        'start the broker (`fieldwatch run` starts the embedded one), or name another with --url mqtt://host:port',
      cause,
    });
  }
}

class FleetPublisher implements Simulator {
  readonly done: Promise<SimulationFigures>;
  readonly #options: SimulatorOptions;
  readonly #client: MqttClient;
  readonly #maxInFlight: number;
  readonly #clock: Clock;
  readonly #fleet: Fleet;
  readonly #startedMs: number;
  #published = 0;
  #acknowledged = 0;
  #failed = 0;
  #next = 0;
  /** Messages that are due and not yet published. */
  #due = 0;
  #lastTickMs: number;
  readonly #loop: PollLoop;
  #finished: (() => void) | undefined;
  #onIdle: (() => void) | undefined;
  #stopping: Promise<SimulationFigures> | undefined;

  constructor(options: SimulatorOptions, client: MqttClient, clock: Clock) {
    this.#options = options;
    this.#maxInFlight = options.maxInFlight ?? 200;
    this.#client = client;
    this.#clock = clock;
    this.#fleet = new Fleet({
      sensors: options.sensors,
      random: seededRandom(options.seed),
      startMs: clock.nowMs(),
      story: options.story === true,
      ...(options.breachEveryMs === undefined ? {} : { breachEveryMs: options.breachEveryMs }),
      ...(options.silenceEveryMs === undefined ? {} : { silenceEveryMs: options.silenceEveryMs }),
    });
    this.#startedMs = this.#lastTickMs = clock.monotonicMs();
    this.done = new Promise<void>((resolve) => (this.#finished = resolve)).then(() => this.stop());
    this.#loop = new PollLoop({ clock, everyMs: TICK_MS, run: () => this.#tick() });
    void this.#loop.now();
  }

  figures(): SimulationFigures {
    return {
      published: this.#published,
      acknowledged: this.#acknowledged,
      failed: this.#failed,
      elapsedMs: this.#clock.monotonicMs() - this.#startedMs,
    };
  }

  stop(): Promise<SimulationFigures> {
    return (this.#stopping ??= this.#stop());
  }

  async #stop(): Promise<SimulationFigures> {
    void this.#loop.stop();
    this.#finished?.();
    const idle = new Promise<void>((resolve) => (this.#onIdle = resolve));
    if (this.#inFlight > 0) await endsWithin(idle, DRAIN_MS, this.#clock);
    const drained = this.#inFlight === 0;
    const figures = { ...this.figures(), failed: this.#failed + this.#inFlight };
    // A clean end waits for acknowledgements without limit: only where none is pending.
    await this.#client.endAsync(!drained);
    return figures;
  }

  get #inFlight(): number {
    return this.#published - this.#acknowledged - this.#failed;
  }

  #tick(): number | void {
    const { rate, durationMs } = this.#options;
    const now = this.#clock.monotonicMs();
    const passed = Math.min(now - this.#lastTickMs, MAX_DEBT_MS);
    this.#lastTickMs = now;
    this.#due = rate === 0 ? Infinity : Math.min(this.#due + (passed * rate) / 1000, Math.max(1, rate));
    this.#pump();
    if (this.#complete() || (durationMs !== undefined && now - this.#startedMs >= durationMs)) {
      this.#finished?.();
      return Infinity;
    }
  }

  #complete(): boolean {
    return this.#options.count !== undefined && this.#published >= this.#options.count;
  }

  /** Publishes what is due, as far as the window allows. A round in which every sensor is silent ends it. */
  #pump(): void {
    let silent = 0;
    while (
      this.#due >= 1 &&
      silent < this.#fleet.size &&
      this.#inFlight < this.#window() &&
      !this.#complete() &&
      this.#stopping === undefined
    ) {
      const reading = this.#fleet.sample(this.#next, this.#clock.nowMs());
      this.#next = (this.#next + 1) % this.#fleet.size;
      // A silent sensor uses up its slot: the others do not send faster because of it.
      this.#due--;
      if (reading === undefined) silent++;
      else this.#publish(reading);
    }
  }

  #window(): number {
    return this.#client.connected ? this.#maxInFlight : 0;
  }

  #publish({ location, device, ts, metrics }: SimulatedReading): void {
    this.#published++;
    const topic = `sensors/${location}/${device}/readings`;
    this.#client.publish(topic, JSON.stringify({ ts, ...metrics }), { qos: 1 }, (error) => {
      if (error === undefined || error === null) this.#acknowledged++;
      else this.#failed++;
      if (this.#inFlight === 0) this.#onIdle?.();
      if (this.#options.rate === 0) this.#pump();
    });
  }
}

function withoutCredentials(url: string): string {
  try {
    const parsed = new URL(url);
    parsed.username = parsed.password = '';
    return parsed.href;
  } catch {
    return 'the broker';
  }
}
