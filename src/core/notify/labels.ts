import type { AlertNotification } from '../alert/model.ts';
import type { OutgoingNotification } from './delivery.ts';
import { factsOf } from './template.ts';
import type { TextContext } from './text/sentence.ts';

export type LabelSet = Readonly<Record<string, string>>;

/**
 * The identity of an alert, without anything that changes while it is open: a value among the labels would make every
 * reading another alert. The severity is one; so an escalation is a new alert, and the old label set has to be
 * resolved. Those of the rule take the place of the sink's of the same name.
 */
export function labelsOf(
  {
    alertType,
    sensorKey,
    severity,
    metric = '',
    labels,
  }: Pick<AlertNotification, 'alertType' | 'sensorKey' | 'severity' | 'metric' | 'labels'>,
  extra: LabelSet,
): LabelSet {
  return {
    ...extra,
    ...labels,
    alertname: alertType,
    sensor: sensorKey,
    severity,
    // Two alerts of a sensor may share a type.
    ...(metric === '' ? {} : { metric }),
  };
}

/** The variable and descriptive parts. Absent if empty. */
export function annotationsOf(notification: OutgoingNotification, context: TextContext): LabelSet {
  const facts = factsOf(notification, context);
  const all = {
    summary: facts.message,
    value: facts.value,
    threshold: facts.threshold,
    unit: facts.unit,
    peak_value: facts.peak_value,
    name: facts.name === facts.sensor ? '' : facts.name,
    location: facts.location,
    reason: facts.reason,
    runbook_url: facts.runbook,
    ack_url: facts.ack_url,
    silence_url: facts.silence_url,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ''));
}

const FNV_OFFSET = 0xcbf29ce484222325n;
const FNV_PRIME = 0x100000001b3n;
const MASK = 0xffffffffffffffffn;
const SEPARATOR = 255;

/** Prometheus's fingerprint of a label set: 64-bit FNV-1a over the sorted names and values, as 16 hex digits. */
export function fingerprintOf(labels: LabelSet): string {
  let hash = FNV_OFFSET;
  const add = (byte: number) => (hash = ((hash ^ BigInt(byte)) * FNV_PRIME) & MASK);
  const encoder = new TextEncoder();
  for (const name of Object.keys(labels).sort()) {
    for (const text of [name, labels[name] ?? '']) {
      encoder.encode(text).forEach(add);
      add(SEPARATOR);
    }
  }
  return hash.toString(16).padStart(16, '0');
}

/** The labels that all sets have in common, with the same value. */
export function commonOf(sets: readonly LabelSet[]): LabelSet {
  const [first, ...rest] = sets;
  return Object.fromEntries(
    Object.entries(first ?? {}).filter(([name, value]) => rest.every((set) => set[name] === value)),
  );
}
