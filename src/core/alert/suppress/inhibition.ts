import type { AlertInstance } from '../engine/alert-instance.ts';
import type { Series } from '../engine/series.ts';
import type { InhibitConfig } from '../rules/config.ts';
import { type AlertLabels, matches, labelValues } from './matcher.ts';

/** Open alerts with the same values of the equal labels. */
interface Group {
  sources: number;
  /** Sources that are not targets of the same rule. */
  oneSided: number;
  readonly targets: Map<AlertInstance, Series>;
}

/**
 * Alerts that inhibit others: while a source is open, its targets are not notified. An alert that is both source and
 * target of a rule is not inhibited by others that are both: otherwise an alert would inhibit itself.
 */
export class Inhibition {
  /** Series whose suppression may have changed since a source came or went: only the open targets of its group. */
  readonly affected = new Set<Series>();
  private readonly rules: readonly InhibitConfig[];
  /** Per rule, by the values of its equal labels. */
  private readonly groups: readonly Map<string, Group>[];

  constructor(rules: readonly InhibitConfig[]) {
    this.rules = rules;
    this.groups = rules.map(() => new Map());
  }

  get exists(): boolean {
    return this.rules.length > 0;
  }

  isSource(alert: AlertLabels): boolean {
    return this.rules.some(({ source }) => matches(source, alert));
  }

  clear(): void {
    for (const groups of this.groups) groups.clear();
    this.affected.clear();
  }

  /** A source opened (+1) or ended (-1); true if that changes the suppression of any alert. */
  count(alert: AlertLabels, change: 1 | -1): boolean {
    let changed = false;
    this.rules.forEach((rule, index) => {
      if (!matches(rule.source, alert)) return;
      const oneSided = !matches(rule.target, alert);
      this.inGroups(index, alert, (group) => {
        const before = [group.sources > 0, group.oneSided > 0];
        group.sources += change;
        if (oneSided) group.oneSided += change;
        // One source more or less among several changes nothing.
        if (before[0] === group.sources > 0 && before[1] === group.oneSided > 0) return;
        changed = true;
        for (const series of group.targets.values()) this.affected.add(series);
      });
    });
    return changed;
  }

  /** A possible target opened (with its series) or ended (without). */
  list(alert: AlertLabels, instance: AlertInstance, series: Series | undefined): void {
    this.rules.forEach((rule, index) => {
      if (!matches(rule.target, alert)) return;
      this.inGroups(index, alert, ({ targets }) => {
        if (series === undefined) targets.delete(instance);
        else targets.set(instance, series);
      });
    });
  }

  covers(alert: AlertLabels): boolean {
    return this.rules.some((rule, index) => {
      if (!matches(rule.target, alert)) return false;
      const both = matches(rule.source, alert);
      return equalKeys(rule.equal, alert).some((key) => {
        const group = this.groups[index]?.get(key);
        return group !== undefined && (both ? group.oneSided : group.sources) > 0;
      });
    });
  }

  /** A group exists while anything in it is open. */
  private inGroups(index: number, alert: AlertLabels, change: (group: Group) => void): void {
    const groups = this.groups[index];
    for (const key of equalKeys(this.rules[index]?.equal ?? [], alert)) {
      const group = groups?.get(key) ?? {
        sources: 0,
        oneSided: 0,
        targets: new Map<AlertInstance, Series>(),
      };
      change(group);
      if (group.sources > 0 || group.targets.size > 0) groups?.set(key, group);
      else groups?.delete(key);
    }
  }
}

/** One key per combination of values; none if the alert lacks one of the labels: a missing label equals nothing. */
function equalKeys(equal: readonly string[], alert: AlertLabels): readonly string[] {
  return equal.reduce<readonly string[]>(
    (keys, label) =>
      keys.flatMap((key) => labelValues(label, alert).map((value) => `${key}${JSON.stringify(value)}`)),
    [''],
  );
}
