import type { AlertNotification } from '../model.ts';
import { batchOf } from './alert-batch.ts';
import { AlertEngine, type EngineReading } from './engine.ts';
import type { AlertIdOf } from './state-row.ts';

const MOST_EFFECTS = 10_000;

/**
 * Computes the notifications of readings before their commit. It evaluates from the committed state in an engine of
 * its own, so nothing is retained, and the batch being committed meanwhile is not disturbed.
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

  /** False after another commit or change of the committed state: further previews may be wrong. */
  isOf(engine: AlertEngine): boolean {
    return this.engine === engine && engine.version === this.version;
  }

  /** Valid again after a commit of nothing but readings that it has evaluated: it is still ahead of them. */
  goOn(): void {
    this.version = this.engine.version;
  }

  /** The previewed readings will not commit as such: one of them was rejected. */
  spoil(): void {
    this.version = NaN;
  }

  /** In commit order, following those of the last call. */
  readings(readings: readonly EngineReading[]): readonly AlertNotification[] {
    for (const reading of readings) this.ahead.reading(reading);
    const { effects } = this.ahead.work;
    const fresh = effects.slice(this.notified);
    this.notified = effects.length;
    // Effects are retained as long as the preview: bounded for a load that never ends.
    if (this.notified > MOST_EFFECTS) this.spoil();
    return batchOf(fresh, [], this.alertId).notifications;
  }
}
