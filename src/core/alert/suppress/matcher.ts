import type { Matchers } from '../rules/config.ts';
import { globMatches } from '../../glob.ts';
import { suggest } from '../../did-you-mean.ts';
import type { AlertType, Severity } from '../model.ts';
import type { SensorFacts } from '../rules/effective.ts';

/** An alert as input of matchers. */
export interface AlertLabels {
  readonly sensor: SensorFacts;
  readonly metric: string;
  readonly alertType: AlertType;
  readonly severity: Severity;
  /** Labels of its rule. */
  readonly labels?: Readonly<Record<string, string>> | null;
}

/** The labels of every alert. Any other label is looked up among those of the rule and the sensor's tags; `gateway` is also the sensor's own. */
export const LABELS = ['sensor', 'location', 'type', 'tag', 'metric', 'alert_type', 'severity'] as const;

const LABEL = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/;

/** The fault of a label's name. Any name may be that of a tag `name=value`, but not a misspelt built-in one. */
export function labelFault(name: string): string | undefined {
  if ((LABELS as readonly string[]).includes(name)) return undefined;
  if (!LABEL.test(name)) return `"${name}" is no label`;
  const close = suggest(name, LABELS);
  return close === undefined ? undefined : `"${name}" is no label; did you mean "${close}"?`;
}

/**
 * The values of a label; empty if the alert does not have it. A tag `gateway=gw1` (or `gateway:gw1`) is a label
 * `gateway` with the value `gw1`; where the rule has a label of that name, too, either value matches.
 */
export function labelValues(label: string, alert: AlertLabels): readonly string[] {
  const { sensor } = alert;
  switch (label) {
    case 'sensor':
      return [sensor.key];
    case 'location':
      return sensor.location === null ? [] : [sensor.location];
    case 'type':
      return sensor.type === null ? [] : [sensor.type];
    case 'tag':
      return sensor.tags;
    case 'metric':
      return [alert.metric];
    case 'alert_type':
      return [alert.alertType];
    case 'severity':
      return [alert.severity];
    default:
      return [
        ...(label === 'gateway' && typeof sensor.gateway === 'string' ? [sensor.gateway] : []),
        ...ruleValues(label, alert.labels),
        ...taggedValues(label, sensor.tags),
      ];
  }
}

/** Only own properties: a label may be named `constructor`. */
function ruleValues(label: string, labels: AlertLabels['labels']): readonly string[] {
  const value = Object.hasOwn(labels ?? {}, label) ? labels?.[label] : undefined;
  return value === undefined ? [] : [value];
}

function taggedValues(label: string, tags: readonly string[]): readonly string[] {
  const found: string[] = [];
  for (const tag of tags)
    if (tag.startsWith(label) && (tag[label.length] === '=' || tag[label.length] === ':'))
      found.push(tag.slice(label.length + 1));
  return found;
}

/** An alert that lacks a label matches no pattern for it, `*` included. Without matchers every alert matches. */
export function matches(matchers: Matchers, alert: AlertLabels): boolean {
  for (const label in matchers) {
    const pattern = matchers[label] ?? '';
    if (!labelValues(label, alert).some((value) => globMatches(pattern, value))) return false;
  }
  return true;
}
