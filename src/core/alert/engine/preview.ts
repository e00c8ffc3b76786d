import type { AlertNotification } from '../model.ts';
import { batchOf } from './alert-batch.ts';
import { AlertEngine, type EngineReading } from './engine.ts';
import type { AlertIdOf } from './state-row.ts';

const MOST_EFFECTS = 10_000;

/**
 * What readings will tell whose commit is still to come. It evaluates on from the committed state in an engine of its
 * own, so nothing of it is remembered, and the batch that is being committed meanwhile is not disturbed.
 */
export class AlertPreview {
  private readonly engine: AlertEngine;
  private version: number;
  private readonly alertId: AlertIdOf;
  private readonly ahead: AlertEngine;
  private notified = 0;

  constructor(engine: AlertEngine, alertId: AlertIdOf) {
    this.engine = engine;
    this.version = engine.version;
    this.alertId = alertId;
    this.ahead = new AlertEngine(engine.rules, engine);
  }

  /** False once something was committed since, or is known that was not: what is told from then on may be wrong. */
  isOf(engine: AlertEngine): boolean {
    return this.engine === engine && engine.version === this.version;
  }

  /** Once more good, after a commit of nothing but readings that it has foreseen: it is ahead of them still. */
  goOn(): void {
    this.version = this.engine.version;
  }

  /** What it has foreseen does not come to pass: one of its readings was refused. */
  spoil(): void {
    this.version = NaN;
  }

  /** In the order in which they will be committed, after those of the last call. */
  readings(readings: readonly EngineReading[]): readonly AlertNotification[] {
    for (const reading of readings) this.ahead.reading(reading);
    const { effects } = this.ahead.work;
    const fresh = effects.slice(this.notified);
    this.notified = effects.length;
    // They are kept as long as this is: under a load that never ends that must not be for ever.
    if (this.notified > MOST_EFFECTS) this.spoil();
    return batchOf(fresh, [], this.alertId).notifications;
  }
}
