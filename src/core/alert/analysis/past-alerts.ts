import type { Micros, Millis } from '../../reading.ts';
import { alertKeyText } from '../engine/alert-key.ts';
import type { AlertIdOf } from '../engine/state-row.ts';
import type { AlertBatch, AlertResolution, AlertRow } from '../model.ts';
import type { SensorFacts } from '../rules/effective.ts';
import type { RuleSet } from '../rules/rule-set.ts';
import { Backtest } from './backtest.ts';

/** A row of `sensor_alerts` of an episode that is over. */
export interface PastAlert {
  readonly row: AlertRow;
  readonly end: AlertResolution;
}

/** Rows of the alerts that rules would have raised of past readings; an episode that is open at their end is left out. */
export class PastAlerts {
  readonly #backtest: Backtest;
  readonly #open = new Map<string, AlertRow>();
  #over: PastAlert[] = [];

  constructor(rules: RuleSet, deps: { readonly alertId: AlertIdOf; readonly fromMs: Millis }) {
    this.#backtest = new Backtest(rules, {
      ...deps,
      ended: () => undefined,
      wrote: (batch) => this.#add(batch),
    });
  }

  /** Readings in the order of their times. */
  reading(sensor: SensorFacts, timeUs: Micros, metrics: ReadonlyMap<string, number>): void {
    this.#backtest.reading(sensor, timeUs, metrics);
  }

  /** Advances time to the end. */
  end(atMs: Millis): void {
    this.#backtest.end(atMs);
  }

  /** Alerts that have ended since the last call. */
  take(): readonly PastAlert[] {
    const over = this.#over;
    this.#over = [];
    return over;
  }

  #add({ raised, resolved }: AlertBatch): void {
    for (const row of raised) this.#open.set(`${row.timeUs} ${row.alertId} ${alertKeyText(row)}`, row);
    for (const end of resolved) {
      const key = `${end.firedAtUs} ${end.alertId} ${alertKeyText(end)}`;
      const row = this.#open.get(key);
      if (row === undefined) continue;
      this.#open.delete(key);
      this.#over.push({ row, end });
    }
  }
}
