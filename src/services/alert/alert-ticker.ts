import type { AlertEngine } from '../../core/alert/engine/engine.ts';
import type { AppliedCommands } from '../../core/alert/model.ts';
import { messageOf } from '../../core/errors.ts';
import type { Millis } from '../../core/reading.ts';
import { Outage } from '../../lib/outage.ts';
import { PollLoop } from '../../lib/poll-loop.ts';
import type { WaitingCommand } from '../../ports/alerts.ts';
import type { Logger } from '../../ports/metrics.ts';
import type { Clock } from '../../ports/time.ts';
import type { ShardTable } from './cluster/shard-table.ts';
import { type EvaluatedBatch, type Evaluations, NOTHING, sensorsOf } from './evaluation.ts';
import type { OperatorCommands } from './operator-commands.ts';
import type { RuleChangeQueue } from './rule-change-queue.ts';
import type { SilenceLog } from './silence-log.ts';

export type Commit = (evaluate: () => EvaluatedBatch) => Promise<void>;

export interface AlertTickerParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly shards?: ShardTable | undefined;
  /** The engine in force; new rules replace it. */
  readonly engine: () => AlertEngine;
  /** The sensor change counter at which its state was read. */
  readonly sensorSeq: () => number;
  /** Drops the state of shards that are no longer owned. */
  readonly dropForgotten: () => void;
  readonly changes: RuleChangeQueue;
  readonly evaluations: Evaluations;
  readonly operatorCommands: OperatorCommands;
  readonly silenceLog: SilenceLog;
  /** Waits while many notifications are still to be logged and queued; undefined: few are. */
  readonly room: () => Promise<void> | undefined;
}

const TICK_EVERY_MS = 1000;
/** Readings that arrived before a due time may still be in a batch that is being filled: they come first. */
const TICK_LAG_MS = 2000;
/** Due times, or alerts under new rules, in one transaction: after an outage or a reload they concern all sensors. */
export const TICK_SLICE = 2000;

/** The part of alerting that no reading starts: due times, rule changes and what operators ask for. */
export class AlertTicker {
  private readonly parts: AlertTickerParts;
  private readonly outage: Outage;
  /** The time, by the clock, up to which arrivals are evaluated. */
  private evaluatedUntilMs: () => Millis = () => Infinity;
  /** The slice that was committed last left due times behind. */
  private behind = false;
  private loop: PollLoop | undefined;
  private stopped = false;

  constructor(parts: AlertTickerParts) {
    this.parts = parts;
    this.outage = new Outage(parts.clock);
  }

  /** Nothing that is due later is decided before the waiting readings up to that time are evaluated. */
  setEvaluatedUntil(timeMs: () => Millis): void {
    this.evaluatedUntilMs = timeMs;
  }

  /**
   * Commits what time alone decides, as soon as it is due. `commit` runs the evaluation between two batches and commits
   * its working set (`BatchWriter.commitAlerts`); `carryOut` does the same with operator commands. `ready` says whether
   * this daemon may evaluate now, and, before time decides anything, has everything evaluated that came until now;
   * `learnSensors` reads the sensors again, between two batches.
   */
  start(
    commit: Commit,
    carryOut = commit,
    ready: (decides: boolean) => Promise<boolean> = async () => true,
    learnSensors: () => Promise<void> = async () => {},
  ): void {
    const run = async () => {
      try {
        const decides = (untilMs: Millis) => this.parts.changes.size > 0 || this.isDue(untilMs);
        const expected = decides(this.tickMs());
        if (!(await ready(expected))) return;
        if (await this.serveOperators(carryOut)) await learnSensors();
        // One instant for the whole run: what comes due meanwhile is handled in the next one.
        const untilMs = this.tickMs();
        if (decides(untilMs) && (expected || (await ready(true))))
          do {
            this.behind = false;
            await commit(() => this.tick(untilMs));
            await this.parts.room();
          } while (this.behind && !this.stopped);
        this.outage.recovered();
      } catch (error) {
        if (this.outage.failed(error))
          this.parts.logger.error({ error: messageOf(error) }, 'cannot evaluate alert deadlines, retrying');
      }
    };
    this.loop = new PollLoop({ clock: this.parts.clock, everyMs: TICK_EVERY_MS, run });
    if (!this.stopped) this.loop.start();
  }

  /** The effect of time on alerts: one slice, once the rules in force have evaluated what is open. */
  tick(untilMs: Millis = Infinity): EvaluatedBatch {
    const engine = this.parts.engine();
    this.parts.dropForgotten();
    const changes = this.parts.changes.slice(TICK_SLICE);
    const polls = changes.length < this.parts.changes.size ? 0 : TICK_SLICE - changes.length;
    const evaluation = this.parts.evaluations.run(engine, changes, () =>
      engine.tick(this.tickMs(untilMs), polls),
    );
    return {
      ...evaluation,
      commit: () => {
        evaluation.commit();
        this.behind = this.parts.changes.size > 0 || this.isDue(untilMs);
      },
    };
  }

  stop(): void {
    this.stopped = true;
    void this.loop?.stop();
  }

  /** True when sensors were renamed, merged or forgotten meanwhile. */
  private async serveOperators(carryOut: Commit): Promise<boolean> {
    const engine = this.parts.engine();
    const {
      silences,
      commands,
      sensorSeq = this.parts.sensorSeq(),
    } = await this.parts.operatorCommands.poll(engine);
    if (silences !== undefined) this.parts.engine().silence(silences, this.parts.clock.nowMs());
    await this.parts.silenceLog.note(silences);
    // Under another engine, with new rules, they are evaluated again first.
    const carry = () => {
      const mine = commands.filter(({ sensorId }) => this.parts.shards?.evaluates(sensorId) ?? true);
      return this.parts.engine() === engine && mine.length > 0 ? this.execute(mine) : NOTHING;
    };
    if (commands.length > 0 && !this.stopped) await carryOut(carry);
    return sensorSeq !== this.parts.sensorSeq();
  }

  private execute(commands: readonly WaitingCommand[]): EvaluatedBatch {
    const engine = this.parts.engine();
    let applied: AppliedCommands | undefined;
    this.parts.dropForgotten();
    const ids = commands.map(({ sensorId }) => sensorId);
    const changes = this.parts.changes.before(() => ids, TICK_SLICE);
    const evaluation = this.parts.evaluations.run(engine, changes, () => {
      applied = this.parts.operatorCommands.execute(engine, commands, this.parts.clock.nowMs());
    });
    if (applied === undefined) return evaluation;
    const done = applied;
    return {
      ...evaluation,
      batch: {
        ...evaluation.batch,
        commands: done,
        ...this.parts.evaluations.fence(
          [...sensorsOf(engine.work.touched), ...ids],
          evaluation.batch.waiting,
        ),
      },
      commit: () => {
        evaluation.commit();
        this.parts.operatorCommands.report(commands, done);
      },
    };
  }

  private isDue(untilMs: Millis): boolean {
    return this.parts.engine().nextDueMs <= this.tickMs(untilMs);
  }

  /** The time up to which time may decide something now, `untilMs` at most. */
  private tickMs(untilMs: Millis = Infinity): Millis {
    return Math.min(this.parts.clock.nowMs() - TICK_LAG_MS, this.evaluatedUntilMs(), untilMs);
  }
}
