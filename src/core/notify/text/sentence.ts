import type { AlertNotification } from '../../alert/model.ts';
import { identityOf } from '../../alert/engine/alert-key.ts';
import { alertUnit } from '../../alert/kind/alert-unit.ts';
import { isAbsence, kindOf } from '../../alert/kind/index.ts';
import type { KindSentences, SentenceFacts } from '../../alert/kind/rule-kind.ts';
import { NO_SENSOR } from '../../policy/episode.ts';
import type { Millis } from '../../reading.ts';
import { oneLine } from '../one-line.ts';
import { type Language, type MessageName, fill } from './language.ts';
import { type LocalClock, lasting, localUntil } from './moment.ts';
import { quantity } from './quantity.ts';

/** How and when a text is written: the moment of sending. */
export interface TextContext {
  readonly language: Language;
  /** IANA name. */
  readonly timezone: string;
  /** The zone was not configured: times name it. */
  readonly namesZone?: boolean | undefined;
  readonly nowMs: Millis;
  /** Unit of a metric, where the database states one; undefined: by its name. */
  readonly unitOf?: ((metric: string) => string | undefined) | undefined;
}

/** A notification with all that a text needs. */
export type Described = AlertNotification & {
  readonly facts: { readonly name: string | null };
  /** For an escalation: seconds for which the alert was not acknowledged. */
  readonly escalatedAfterS?: number | undefined;
  readonly recent?: { readonly ackEnded?: true | undefined } | undefined;
};

export const clockOf = ({ language, timezone, namesZone }: TextContext): LocalClock => ({
  locale: language.locale,
  timezone,
  namesZone,
});

/** A notification of this age is about the past. */
export const LATE_MS = 5 * 60_000;

/** About a fault of the system, or a sample: there is no sensor, and its message is the text. */
export const isOfSystem = ({ sensorId }: Pick<AlertNotification, 'sensorId'>): boolean =>
  sensorId === NO_SENSOR;

export const isLate = ({ eventTimeMs }: AlertNotification, { nowMs }: TextContext): boolean =>
  nowMs - eventTimeMs > LATE_MS;

/** The event in one line and in the language of the context: `Freezer 1: temperature 9.3 °C, above 8 °C`. */
export function sentenceOf(notification: Described, context: TextContext): string {
  if (isOfSystem(notification)) return oneLine(notification.message);
  const { escalatedAfterS, recent, past } = notification;
  const isUnacknowledged = escalatedAfterS !== undefined && recent?.ackEnded !== true && past !== 'over';
  const names = [
    ...namesOf(notification, context),
    ...(isUnacknowledged ? (['unacknowledged'] as const) : []),
  ];
  const values = { ...wordsOf(notification, context), ...quantitiesOf(notification, context) };
  const text = names.map((name) => fill(context.language.messages[name], values)).join('');
  // What is not known leaves its blank behind.
  return oneLine(text.replace(/ +(?=[ ,;):]|$)/g, ''));
}

/** The name of a metric as the language has it. */
export const metricText = (metric: string, { metrics }: Language): string =>
  Object.hasOwn(metrics, metric) ? (metrics[metric] ?? metric) : oneLine(metric.replaceAll('_', ' '));

export function subjectOf(notification: AlertNotification, context: TextContext): string {
  const { metric, kind } = identityOf(notification);
  const template = context.language.messages[kindOf(kind).sentences?.subject ?? 'subject'];
  const shown = metric === '' ? notification.alertType : metric;
  const { windowS, minus } = notification;
  const other = minus === undefined ? '' : metricText(minus.metric, context.language);
  return fill(template, {
    metric: metricText(shown, context.language),
    minus: oneLine(`${minus?.sensor ?? ''} ${other}`),
    window: windowS === undefined ? '' : lasting(windowS),
  });
}

/** The alert itself: that of what is missed is named as one already. */
function alertOf(notification: AlertNotification, context: TextContext): string {
  const subject = subjectOf(notification, context);
  const isNamed = isAbsence(identityOf(notification).kind);
  return isNamed ? subject : fill(context.language.messages.alert_for, { subject });
}

/** A number of the alert with its unit: its value, limit or extreme. `others` are numbers that it is compared with. */
export function quantityOf(
  value: number | null | undefined,
  notification: AlertNotification,
  context: TextContext,
  others: readonly (number | null | undefined)[] = [],
): string {
  if (value === null || value === undefined) return '';
  const { metric, kind } = identityOf(notification);
  if (isAbsence(kind)) return lasting(value);
  const unit = unitOf(kind, metric, context);
  const compared = others.filter((other): other is number => typeof other === 'number');
  return quantity(value, { locale: context.language.locale, unit }, compared);
}

export const unitOf = (kind: string, metric: string, { unitOf: stated }: TextContext): string | undefined =>
  alertUnit(kind, metric, stated);

/**
 * Since when it is as the text says: since the value is beyond its limit, or since the last sign of life. The episode of what is missed
 * begins when it is noticed, `threshold` seconds later.
 */
export function sinceMs(notification: AlertNotification): Millis {
  const { event, eventTimeMs, startedAtMs, value, threshold } = notification;
  if (!isAbsence(identityOf(notification).kind)) return startedAtMs;
  const isSilence = value !== null && (event === 'firing' || event === 'reminder');
  return isSilence ? eventTimeMs - value * 1000 : startedAtMs - (threshold ?? 0) * 1000;
}

/** The messages that make up the sentence. */
function namesOf(notification: Described, context: TextContext): readonly MessageName[] {
  switch (notification.event) {
    case 'firing':
      return [
        crossing(notification, context),
        ...(notification.past === 'open' ? (['not_clear'] as const) : []),
      ];
    case 'escalated':
      return [crossing(notification, context), 'escalated'];
    case 'deescalated':
      return [crossing(notification, context), 'deescalated'];
    case 'reminder':
      return [state(notification, context)];
    case 'resolved':
      return [end(notification)];
    case 'flapping_start':
    case 'flapping_end':
      return [notification.event];
    case 'silence_added':
    case 'silence_ended':
      // Their message is the text.
      return [];
    case 'acknowledged':
      return [notification.ackUntilMs === undefined ? 'acknowledged' : 'acknowledged_until'];
  }
}

function end(notification: Described): MessageName {
  const reason = notification.reason ?? 'value';
  return sentencesOf(notification).end?.[reason] ?? `end_${reason}`;
}

/** Beyond the limit, as it is at this moment, or as it was. */
function crossing(notification: Described, context: TextContext): MessageName {
  const facts = sentenceFacts(notification, context);
  const own = sentencesOf(notification).crossing?.(facts);
  if (own !== undefined) return own;
  const { isBeyond, isPast, low } = facts;
  if (!isBeyond) return state(notification, context);
  if (isPast) return low ? 'was_below' : 'was_above';
  return low ? 'below' : 'above';
}

/** An open alert: between the limit and its clear point it is not beyond the limit any more. */
function state(notification: Described, context: TextContext): MessageName {
  const facts = sentenceFacts(notification, context);
  const own = sentencesOf(notification).open?.(facts);
  if (own !== undefined) return own;
  const { value, threshold, isBeyond, low } = facts;
  if (value === null || threshold === null) return 'open_without_value';
  if (isBeyond) return low ? 'still_below' : 'still_above';
  const known = notification.clear !== undefined && notification.clear !== threshold;
  return low ? (known ? 'back_over_until' : 'back_over') : known ? 'back_under_until' : 'back_under';
}

const sentencesOf = (notification: AlertNotification): KindSentences =>
  kindOf(identityOf(notification).kind).sentences ?? {};

function sentenceFacts(notification: Described, context: TextContext): SentenceFacts {
  const { value, threshold, past } = notification;
  const { side } = identityOf(notification);
  return {
    ...{ value, threshold },
    // With a limit on each side it is on the one that was crossed.
    low: side === 'both' ? (value ?? 0) < (threshold ?? 0) : side === 'low',
    isBeyond: isBeyond(notification),
    isPast: past !== undefined || isLate(notification, context),
    isOver: past === 'over',
  };
}

function isBeyond(notification: AlertNotification): boolean {
  const { value, threshold } = notification;
  const { kind, side } = identityOf(notification);
  if (value === null || side === 'both') return value !== null;
  if (threshold === null) return false;
  if (value === threshold) return kindOf(kind).includesLimit === true;
  return side === 'low' ? value < threshold : value > threshold;
}

function wordsOf(notification: Described, context: TextContext): Readonly<Record<string, string>> {
  const { facts, sensorKey, severity, ackedBy = '', ackUntilMs, escalatedAfterS } = notification;
  const { language, nowMs } = context;
  const { metric } = identityOf(notification);
  return {
    name: oneLine(facts.name ?? sensorKey),
    subject: subjectOf(notification, context),
    alert: alertOf(notification, context),
    metric: metricText(metric, language),
    severity: language.severities[severity],
    by: oneLine(ackedBy),
    time: ackUntilMs === undefined ? '' : localUntil(ackUntilMs, nowMs, clockOf(context)),
    lasted: escalatedAfterS === undefined ? '' : lasting(escalatedAfterS),
  };
}

function quantitiesOf(notification: Described, context: TextContext): Readonly<Record<string, string>> {
  const { value, threshold, clear, event } = notification;
  const { kind, side } = identityOf(notification);
  if (isAbsence(kind)) {
    // As long as nothing has been received by now, not only at the deadline.
    const silentS = (context.nowMs - sinceMs(notification)) / 1000;
    const isOver = notification.past === 'over';
    return { value: event === 'resolved' ? '' : lasting(isOver ? (value ?? threshold ?? 0) : silentS) };
  }
  const shown = (number: number | null | undefined, ...others: readonly (number | null | undefined)[]) => {
    const isFall = side === 'low' && isBeyond(notification) && !isPast(notification, context);
    const sign = isFall && kindOf(kind).sentences?.withoutSign === true ? -1 : 1;
    const signed = (each: number | null | undefined) => (typeof each === 'number' ? sign * each : each);
    return quantityOf(signed(number), notification, context, others.map(signed));
  };
  return {
    value: event === 'resolved' ? shown(value, threshold) : shown(value, threshold, clear),
    limit: shown(threshold, value, clear),
    clear: shown(clear, value, threshold),
  };
}

const isPast = (notification: Described, context: TextContext): boolean =>
  notification.event !== 'reminder' && (notification.past !== undefined || isLate(notification, context));
