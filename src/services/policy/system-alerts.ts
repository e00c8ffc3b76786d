import type { AlertNotification } from '../../core/alert/model.ts';
import { type Verified, systemAlertChanges } from '../../core/policy/episode.ts';
import type { Finding } from '../../core/policy/finding.ts';
import type { SystemAlertStore } from '../../ports/maintenance.ts';
import { nameUuid } from '../alert/alert-id.ts';

export interface SystemAlertsDeps {
  readonly store: SystemAlertStore;
  /** Publishes what is committed: to the log, the alert log, the sinks. */
  readonly publish: (notifications: readonly AlertNotification[]) => void;
}

/** A check that ran into a lock recovers by itself: it becomes an alert when it does not. */
const PATIENCE = 3;

/**
 * Findings as alerts of the system. Open alerts are read from the database each time, so that neither a restart nor a
 * change of leader notifies twice; changes are committed before they are published.
 */
export class SystemAlerts {
  private readonly deps: SystemAlertsDeps;
  /** How often in a row a check gave no answer. */
  private readonly silent = new Map<string, number>();

  constructor(deps: SystemAlertsDeps) {
    this.deps = deps;
  }

  async update(verified: Verified): Promise<void> {
    const { store, publish } = this.deps;
    const findings = this.withoutPassing(verified);
    const changes = systemAlertChanges(await store.open(), { ...verified, findings }, (type, subject, ms) =>
      nameUuid(`0|${type}/${subject}|${ms}`),
    );
    if (changes.alerts.length === 0) return;
    await store.commit(changes);
    publish(changes.notifications);
  }

  private withoutPassing({ findings, answered }: Verified): readonly Finding[] {
    const silent = findings.flatMap(checksOf).filter((check) => !answered.has(check));
    for (const check of [...this.silent.keys()]) if (!silent.includes(check)) this.silent.delete(check);
    for (const check of silent) this.silent.set(check, (this.silent.get(check) ?? 0) + 1);
    return findings.filter((finding) =>
      checksOf(finding).some((check) => (this.silent.get(check) ?? PATIENCE) >= PATIENCE),
    );
  }
}

const checksOf = ({ check, checks = [check] }: Finding): readonly string[] => checks;
