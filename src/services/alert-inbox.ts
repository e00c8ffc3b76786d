import type { DutyEpoch, HandedReading } from '../core/alert/model.ts';
import { messageOf } from '../core/errors.ts';
import type { Clock, DutyStore, InboxLook, Logger, Sensor, Timer } from '../ports.ts';
import { unlessAborted } from './abort.ts';
import type { AlertDuty } from './alert-duty.ts';
import { NOTHING, type EvaluatedReading, type Evaluation } from './alerting.ts';
import type { SensorRegistry } from './sensor-registry.ts';

/** The alert engine, as far as the inbox needs it; `Alerting` is it. */
export interface InboxEngine {
  /** Reads the state that the last holder left, and announces what it did not. */
  load(sensors: readonly Sensor[]): Promise<void>;
  /** Everything evaluated from now on is written under `duty`. */
  under(duty: DutyEpoch): void;
  forget(): void;
  prepare(readings: readonly EvaluatedReading[], signal?: AbortSignal): Promise<void>;
  evaluate(readings: readonly EvaluatedReading[]): Evaluation;
}

export interface AlertInboxDeps {
  readonly duty: AlertDuty;
  readonly store: DutyStore;
  readonly engine: InboxEngine;
  readonly registry: Pick<SensorRegistry, 'load' | 'all' | 'find' | 'learn'>;
  /** Runs an evaluation between two batches, commits and adopts it; drops it while the database is away. */
  readonly commit: (evaluate: (signal?: AbortSignal) => Promise<Evaluation>) => Promise<void>;
  /** Batches go to the spool now: what the inbox holds cannot be seen. */
  readonly spooling: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

const LOOK_EVERY_MS = 200;

/** What the other daemons of the share group hand on: evaluated here, by who has the duty, between two batches of its own. */
export class AlertInbox {
  private readonly deps: AlertInboxDeps;
  private draining: Promise<void> | undefined;
  /** The epoch under which the engine has read its state. */
  private loaded: DutyEpoch | undefined;
  private timer: Timer | undefined;
  private failing = false;
  private stopped = false;

  constructor(deps: AlertInboxDeps) {
    this.deps = deps;
  }

  start(): void {
    const again = () => {
      if (!this.stopped)
        this.timer = this.deps.clock.after(LOOK_EVERY_MS, () => void this.settle().then(again));
    };
    void this.settle().then(again);
  }

  /** Idempotent. What is under way is finished by the writer, or stays where it is. */
  stop(): void {
    this.stopped = true;
    this.timer?.cancel();
  }

  /**
   * Before time alone decides anything: whether that is for this daemon to say, with all evaluated that was handed on
   * until now. With the database away nobody hands on anything, and it says what it knows itself.
   */
  async ready(): Promise<boolean> {
    if (this.deps.duty.phase !== 'on') return false;
    const seen = await this.settle();
    this.deps.duty.attend();
    return this.deps.duty.phase === 'on' && (seen || this.deps.spooling());
  }

  /** Evaluates all that waits; false where it cannot be seen. Never rejects. */
  private async settle(): Promise<boolean> {
    this.draining ??= this.drain().finally(() => (this.draining = undefined));
    try {
      await this.draining;
      this.failing = false;
      return true;
    } catch (error) {
      if (!this.failing)
        this.deps.logger.warn(
          { error: messageOf(error) },
          'cannot read what other daemons hand on for alerts; tried again',
        );
      this.failing = true;
      return false;
    }
  }

  private async drain(): Promise<void> {
    const { epoch } = this.deps.duty;
    if (epoch === undefined || this.stopped) return;
    if (this.loaded !== epoch) await this.load(epoch);
    while (!this.stopped && (await this.piece()));
  }

  private async load(epoch: DutyEpoch): Promise<void> {
    const { engine, registry } = this.deps;
    // Devices that other daemons have registered since.
    await registry.load();
    await engine.load([...registry.all()]);
    if (this.deps.duty.epoch !== epoch) return engine.forget();
    engine.under(epoch);
    this.loaded = epoch;
  }

  /** One transaction's worth; true if there may be more. */
  private async piece(): Promise<boolean> {
    const { duty, store, commit } = this.deps;
    // Who catches up looks while no batch is written: only then an empty inbox means that it may evaluate by itself.
    const ready = duty.phase === 'on' ? await store.oldest(duty.group) : undefined;
    if (ready?.rows.length === 0) return false;
    let more = false;
    await commit(async (signal) => {
      more = false;
      const { epoch } = duty;
      if (epoch === undefined || epoch !== this.loaded || this.stopped) return NOTHING;
      const look = ready ?? (await unlessAborted(store.oldest(duty.group), signal));
      const evaluation = await this.evaluate(look, epoch, signal);
      return {
        batch: evaluation.batch,
        adopt: () => {
          evaluation.adopt();
          if (!look.more) duty.caughtUp(epoch);
          more = look.more;
        },
      };
    });
    return more;
  }

  private async evaluate(
    { rows }: InboxLook,
    duty: DutyEpoch,
    signal: AbortSignal | undefined,
  ): Promise<Evaluation> {
    const { engine } = this.deps;
    const readings = await unlessAborted(this.known(rows.flatMap((row) => row.readings)), signal);
    await unlessAborted(engine.prepare(readings, signal), signal);
    const evaluation = engine.evaluate(readings);
    return {
      batch: { ...evaluation.batch, duty, taken: rows.map(({ id }) => id) },
      adopt: () => evaluation.adopt(),
    };
  }

  /** With their sensors, some of which another daemon has registered, or given a place. One that is gone counts no more. */
  private async known(readings: readonly HandedReading[]): Promise<readonly EvaluatedReading[]> {
    const { registry } = this.deps;
    const news = new Set<string>();
    for (const { key, location = null } of readings) {
      const sensor = registry.find(key);
      if (sensor === undefined || (sensor.location === null && location !== null)) news.add(key);
    }
    if (news.size > 0) await registry.learn([...news]);
    return readings.flatMap((reading) => {
      const sensor = registry.find(reading.key);
      return sensor === undefined ? [] : [{ ...reading, sensor }];
    });
  }
}
