import { identityOf } from '../alert/engine/alert-key.ts';
import { formatDuration } from '../duration.ts';
import { withoutNoise } from '../format-number.ts';
import { type OutgoingNotification, statusOf } from './delivery.ts';
import { oneLine } from './one-line.ts';
import { localTime } from './text/moment.ts';
import {
  type TextContext,
  clockOf,
  metricText,
  quantityOf,
  sentenceOf,
  sinceMs,
  unitOf,
} from './text/sentence.ts';

/** The names available in a template, in the order of the documentation. */
export const FACTS = [
  'sensor', 'name', 'location', 'alert_type', 'event', 'status', 'severity', 'value', 'threshold', 'message', 'event_time',
  'started_at', 'duration', 'peak_value', 'resolved_value', 'reason', 'runbook', 'alert_id', 'seq', 'metric', 'unit', 'reading',
  'limit', 'peak', 'at', 'since', 'trend', 'ack_url', 'silence_url',
] as const; // prettier-ignore

export type TemplateFacts = Readonly<Record<(typeof FACTS)[number], string>>;

/** Everything as text; absent values are empty. `value` and `threshold` are plain numbers, `reading` and `limit` have their unit. */
export function factsOf(notification: OutgoingNotification, context: TextContext): TemplateFacts {
  const { sensorKey, facts, durationS, value, threshold, recent } = notification;
  const { language, nowMs } = context;
  const clock = clockOf(context);
  const { metric, kind } = identityOf(notification);
  const sinceAtMs = sinceMs(notification);
  // What is missed lasts from the last sign of life on.
  const noticedS = (notification.startedAtMs - sinceAtMs) / 1000;
  return {
    sensor: sensorKey,
    name: facts.name ?? sensorKey,
    location: facts.location ?? '',
    alert_type: notification.alertType,
    event: notification.event,
    status: statusOf(notification),
    severity: notification.severity,
    value: numberText(value),
    threshold: numberText(threshold),
    message: sentenceOf(notification, context),
    event_time: new Date(notification.eventTimeMs).toISOString(),
    started_at: new Date(notification.startedAtMs).toISOString(),
    duration: durationS === null ? '' : formatDuration(Math.round(durationS + noticedS) * 1000),
    peak_value: numberText(notification.peakValue),
    resolved_value: numberText(notification.resolvedValue),
    reason: notification.reason ?? '',
    runbook: notification.runbook ?? '',
    alert_id: notification.alertId,
    seq: String(notification.seq),
    metric: metricText(metric, language),
    unit: unitOf(kind, metric, context) ?? '',
    reading: quantityOf(value, notification, context, [threshold]),
    limit: quantityOf(threshold, notification, context, [value]),
    peak: quantityOf(notification.peakValue, notification, context, [threshold]),
    at: localTime(notification.eventTimeMs, nowMs, clock),
    since: localTime(sinceAtMs, nowMs, clock),
    ack_url: notification.links?.acknowledge ?? '',
    silence_url: notification.links?.silence ?? '',
    trend: recent?.trend === undefined ? '' : language.trends[recent.trend],
  };
}

export const numberText = (value: number | null): string =>
  value === null ? '' : String(withoutNoise(value));

/**
 * `{{sensor}}: {{value}} is over {{threshold}}`: names in double braces, blanks allowed, `\{{` for the braces
 * themselves. No conditions, no loops: what a notification lacks is empty.
 */
export type Template = readonly (string | { readonly fact: keyof TemplateFacts })[];

export interface TemplateFault {
  /** Character in the text, from 1. */
  readonly at: number;
  readonly message: string;
}

const TOKEN = /\\\{\{|\{\{([^{}]*)\}\}|\{\{/g;

export function parseTemplate(text: string): Template | TemplateFault {
  const parts: (string | { fact: keyof TemplateFacts })[] = [];
  let from = 0;
  for (const match of text.matchAll(TOKEN)) {
    const at = match.index + 1;
    if (match.index > from) parts.push(text.slice(from, match.index));
    from = match.index + match[0].length;
    if (match[0] === '\\{{') {
      parts.push('{{');
      continue;
    }
    const name = match[1]?.trim();
    if (name === undefined)
      return { at, message: `"{{" is not closed by "}}"; write \\{{ for the braces themselves` };
    if (!isFact(name))
      return { at, message: `unknown placeholder "${name.slice(0, 40)}"; known: ${FACTS.join(', ')}` };
    parts.push({ fact: name });
  }
  if (from < text.length) parts.push(text.slice(from));
  return parts;
}

const isFact = (name: string): name is keyof TemplateFacts => (FACTS as readonly string[]).includes(name);

export const isTemplateFault = (parsed: Template | TemplateFault): parsed is TemplateFault =>
  !Array.isArray(parsed);

/** `escape` makes a value safe for the target text; the operator's own text is not escaped. */
export function render(template: Template, facts: TemplateFacts, escape: (text: string) => string): string {
  return template.map((part) => (typeof part === 'string' ? part : escape(facts[part.fact]))).join('');
}

/** Like `oneLine`: a sensor's name must not look like a separate line in a text of several lines. */
export const plain = oneLine;

/** At most `max` characters, cut between two of them and marked. */
export function truncate(text: string, max: number): string {
  const characters = [...text];
  return characters.length <= max ? text : `${characters.slice(0, Math.max(0, max - 1)).join('')}…`;
}
