import type { InhibitConfig } from '../config.ts';
import { labelValues } from './labels.ts';
import type { AlertLabels } from './labels.ts';
import { fits } from './matcher.ts';

/** Open sources with the same values of the labels that have to be equal. */
interface Sources {
  all: number;
  /** Those that are no target of the same rule. */
  oneSided: number;
}

/**
 * Alerts that explain others: while a source is open, its targets are not told. An alert that is both source and target
 * of a rule is not inhibited by others that are both: or an alert would inhibit itself.
 */
export class Inhibition {
  private readonly rules: readonly InhibitConfig[];
  /** Per rule, by the values of its equal labels. */
  private readonly open: readonly Map<string, Sources>[];

  constructor(rules: readonly InhibitConfig[]) {
    this.rules = rules;
    this.open = rules.map(() => new Map());
  }

  get exists(): boolean {
    return this.rules.length > 0;
  }

  isSource(alert: AlertLabels): boolean {
    return this.rules.some(({ source }) => fits(source, alert));
  }

  clear(): void {
    for (const sources of this.open) sources.clear();
  }

  /** A source opened (+1) or ended (-1); true if it is a source of any rule. */
  count(alert: AlertLabels, change: 1 | -1): boolean {
    let counted = false;
    this.rules.forEach((rule, index) => {
      if (!fits(rule.source, alert)) return;
      const oneSided = !fits(rule.target, alert);
      for (const key of equalKeys(rule.equal, alert)) {
        const sources = this.open[index]?.get(key) ?? { all: 0, oneSided: 0 };
        sources.all += change;
        if (oneSided) sources.oneSided += change;
        if (sources.all > 0) this.open[index]?.set(key, sources);
        else this.open[index]?.delete(key);
        counted = true;
      }
    });
    return counted;
  }

  covers(alert: AlertLabels): boolean {
    return this.rules.some((rule, index) => {
      const sources = this.open[index];
      if (sources === undefined || sources.size === 0 || !fits(rule.target, alert)) return false;
      const both = fits(rule.source, alert);
      return equalKeys(rule.equal, alert).some((key) => {
        const found = sources.get(key);
        return found !== undefined && (both ? found.oneSided : found.all) > 0;
      });
    });
  }
}

/** One key per combination of values; none where the alert lacks one of the labels: what is missing equals nothing. */
function equalKeys(equal: readonly string[], alert: AlertLabels): readonly string[] {
  return equal.reduce<readonly string[]>(
    (keys, label) =>
      keys.flatMap((key) => labelValues(label, alert).map((value) => `${key}${JSON.stringify(value)}`)),
    [''],
  );
}
