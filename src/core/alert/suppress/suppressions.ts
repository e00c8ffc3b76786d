import type { Millis } from '../../reading.ts';
import type { AlertsConfig } from '../config.ts';
import { Inhibition } from './inhibition.ts';
import type { AlertLabels } from './labels.ts';
import { Maintenance } from './maintenance.ts';
import { fits } from './matcher.ts';
import { isSilent, nextSilenceChangeMs } from './silence.ts';
import type { Silence } from './silence.ts';

/** Why nobody is told of an alert now. */
export type SuppressedBy = 'silence' | 'maintenance' | 'inhibition';

/** All that keeps alerts from being told: silences of operators, maintenance windows, alerts that explain others. */
export class Suppressions {
  readonly inhibition: Inhibition;
  private readonly maintenance: readonly Maintenance[];
  private active: readonly Silence[] = [];

  constructor({ maintenance, inhibit }: Pick<AlertsConfig, 'maintenance' | 'inhibit'>) {
    this.maintenance = maintenance.map((each) => new Maintenance(each));
    this.inhibition = new Inhibition(inhibit);
  }

  get silences(): readonly Silence[] {
    return this.active;
  }

  silence(silences: readonly Silence[]): void {
    this.active = silences;
  }

  /** The operator's word is named first, then what was planned, then what follows from other alerts. */
  of(alert: AlertLabels, atMs: Millis): SuppressedBy | undefined {
    if (this.active.some((silence) => isSilent(silence, atMs) && fits(silence.matchers, alert)))
      return 'silence';
    if (this.maintenance.some((each) => each.covers(alert, atMs))) return 'maintenance';
    return this.inhibition.covers(alert) ? 'inhibition' : undefined;
  }

  /** When the passing of time may begin or end any of it. */
  nextChangeMs(afterMs: Millis): Millis {
    return this.maintenance.reduce(
      (nextMs, each) => Math.min(nextMs, each.nextChangeMs(afterMs)),
      nextSilenceChangeMs(this.active, afterMs),
    );
  }
}
