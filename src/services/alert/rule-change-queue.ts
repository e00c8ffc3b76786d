import type { RuleChange } from '../../core/alert/engine/restore.ts';

/**
 * Alerts that the rules in force have not evaluated yet: the rules changed, or were removed, while these were open. A reload
 * may leave very many, so they are committed in slices; those lost with the process are found again at the start.
 */
export class RuleChangeQueue {
  private readonly waiting = new Set<RuleChange>();

  get size(): number {
    return this.waiting.size;
  }

  get all(): readonly RuleChange[] {
    return [...this.waiting];
  }

  /** Other rules, another list. */
  replace(changes: readonly RuleChange[]): void {
    this.waiting.clear();
    for (const change of changes) this.waiting.add(change);
  }

  /** As many as one transaction may hold. */
  slice(limit: number): readonly RuleChange[] {
    const slice: RuleChange[] = [];
    for (const change of this.waiting) {
      if (slice.length >= limit) break;
      slice.push(change);
    }
    return slice;
  }

  /** The changes that must precede anything else for these sensors: all, where they are few. */
  before(sensorIds: () => Iterable<number>, limit: number): readonly RuleChange[] {
    if (this.size <= limit) return this.all;
    const concerned = new Set(sensorIds());
    return this.all.filter(({ series }) => concerned.has(series.sensorId));
  }

  /** They are committed. */
  done(changes: readonly RuleChange[]): void {
    for (const change of changes) this.waiting.delete(change);
  }
}
