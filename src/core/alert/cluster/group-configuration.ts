import type { Millis } from '../../reading.ts';
import { isLive, type SectionDigests } from './shard.ts';
import type { GroupView } from './shard-lease.ts';

/** Members are reconfigured one after the other: until then a difference is no news. */
export const DIFFERENT_AFTER_MS = 60_000;

/** A live member that has other sections than this one, since when, on the clock of the database. */
export interface ConfigurationDifference {
  readonly member: string;
  readonly sections: readonly string[];
  readonly sinceMs: Millis;
}

/**
 * The live members of the view whose configuration is not that of `self`, and since when. A member that reports none is of
 * an earlier version, and not compared.
 */
export function differences(
  self: string,
  own: SectionDigests,
  view: GroupView,
  former: readonly ConfigurationDifference[],
): readonly ConfigurationDifference[] {
  const found: ConfigurationDifference[] = [];
  for (const member of view.members) {
    const { id, configuration } = member;
    if (id === self || configuration === undefined || !isLive(member, view.nowMs)) continue;
    const sections = otherSections(own, configuration);
    if (sections.length === 0) continue;
    const before = former.find((each) => each.member === id);
    found.push({ member: id, sections, sinceMs: before?.sinceMs ?? view.nowMs });
  }
  return found;
}

/** In alphabetical order. */
export const otherSections = (one: SectionDigests, other: SectionDigests): readonly string[] =>
  [...new Set([...Object.keys(one), ...Object.keys(other)])]
    .filter((section) => one[section] !== other[section])
    .sort();
