import type { Memory } from '../kind/rule-kind.ts';
import type { Condition } from '../rules/condition.ts';
import type { EpisodeState } from '../state/state.ts';

/** One alert type of one sensor: the committed state, and the state in the current working set. */
export interface AlertInstance {
  readonly condition: Condition;
  committed: EpisodeState;
  work: EpisodeState;
  /** The memory of its kind, kept from reading to reading. */
  committedMemory: Memory;
  memory: Memory;
}

/** The active side first, so that high resolves before low fires. */
export function activeFirst(instances: readonly AlertInstance[]): readonly AlertInstance[] {
  const open = instances.findIndex((instance) => instance.work.kind !== 'ok');
  if (open <= 0) return instances;
  return [...instances].sort((a, b) => Number(b.work.kind !== 'ok') - Number(a.work.kind !== 'ok'));
}
