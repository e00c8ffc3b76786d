import { identityOf } from '../alert/engine/alert-key.ts';
import { extremeOf } from '../alert/extreme.ts';
import { isAbsence, kindOf } from '../alert/kind/index.ts';
import type { KindSentences } from '../alert/kind/rule-kind.ts';
import { NO_SENSOR } from '../policy/episode.ts';
import { type Delivery, type OutgoingNotification, isGroup, statusOf } from './delivery.ts';
import { oneLine } from './one-line.ts';
import { factsOf, plain, render, type Template, truncate } from './template.ts';
import { type MessageName, fill } from './text/language.ts';
import { lasting, localSince, localSpan, localTime } from './text/moment.ts';
import { count } from './text/quantity.ts';
import {
  type TextContext,
  clockOf,
  isLate,
  isOfSystem,
  metricText,
  quantityOf,
  sentenceOf,
  sinceMs,
  subjectOf,
} from './text/sentence.ts';

/** The texts of a sink; absent: the ones below. Groups always use the built-in texts. */
export interface MessageTexts {
  readonly title?: Template | undefined;
  readonly body?: Template | undefined;
}

const MAX_TITLE = 250;

/** One line that says what happened: `Freezer 1: temperature 9.3 °C, above 8 °C`, `9 sensors offline`. */
export function titleOf(delivery: Delivery, { title }: MessageTexts, context: TextContext): string {
  const first = asOfNow(firstOf(delivery));
  if (isGroup(delivery)) return truncate(groupTitle(delivery, context), MAX_TITLE);
  if (title !== undefined) return truncate(oneLine(render(title, factsOf(first, context), plain)), MAX_TITLE);
  return truncate(isFault(first) ? faultTitle(first, context) : sentenceOf(first, context), MAX_TITLE);
}

/** Several lines: where, how severe, since when, what to do; for a group the first of them and how many more. */
export function bodyOf(delivery: Delivery, { body }: MessageTexts, context: TextContext): string {
  const first = asOfNow(firstOf(delivery));
  if (isGroup(delivery)) return groupBody(delivery, context);
  if (body !== undefined) return render(body, factsOf(first, context), plain);
  const lines = [
    isOfSystem(first) ? oneLine(first.message) : '',
    placeLine(first, context),
    timeLine(first, context),
    escalationLine(first, context),
    ...lateLines(first, context),
    runbookLine(first.runbook, context),
  ];
  return lines.filter((line) => line !== '').join('\n');
}

/** `Cold room · critical`; the severity of what is over is of no interest any more. */
function placeLine(notification: OutgoingNotification, { language }: TextContext): string {
  const { facts, severity } = notification;
  const over = statusOf(notification) === 'resolved';
  return [oneLine(facts.location ?? ''), over ? '' : language.severities[severity]]
    .filter((part) => part !== '')
    .join(' · ');
}

/** `since 09:27 (20 min), rising`; of what is over `from 09:27 to 10:02 (35 min), highest 12.1 °C`. */
export function timeLine(notification: OutgoingNotification, context: TextContext): string {
  const { eventTimeMs, recent, origin } = notification;
  const { messages, trends } = context.language;
  const fromMs = sinceMs(notification);
  if (statusOf(notification) === 'resolved') {
    const ends = localSpan(fromMs, eventTimeMs, context.nowMs, clockOf(context));
    const extreme = extremeText(notification, context);
    return [fill(messages.from_to, ends), extreme].filter((part) => part !== '').join(', ');
  }
  // Its end has a notification of its own, which says from when to when.
  if (notification.past === 'over') return '';
  const lasted = lasting((context.nowMs - fromMs) / 1000);
  const time = localSince(fromMs, context.nowMs, clockOf(context));
  // The text of a late notification describes its event time, and the trend is that of the time of sending.
  const isPast = origin === undefined && isLate(notification, context);
  const trend = isPast ? undefined : recent?.trend;
  if (trend === undefined) return fill(messages.since, { time, lasted });
  return fill(messages.since_trend, { time, lasted, trend: trends[trend] });
}

/** `highest 12.1 °C`: how bad it became. */
function extremeText(notification: OutgoingNotification, context: TextContext): string {
  const { peakValue, threshold } = notification;
  if (peakValue === null || !isNumeric(notification)) return '';
  const value = quantityOf(peakValue, notification, context, [threshold]);
  return fill(context.language.messages[extremeOf(notification)], { value });
}

/** An escalation, a reminder or the end of a mute time is no late notification: it is about the alert as it is now. */
function asOfNow(notification: OutgoingNotification): OutgoingNotification {
  const { origin, event, recent } = notification;
  const newest = recent?.newest;
  if (origin === undefined || newest === undefined || (event !== 'firing' && event !== 'escalated'))
    return notification;
  return { ...notification, event: 'reminder', value: newest.value };
}

/** `notified before: phone, mail; nobody has acknowledged it for 15 min`. */
function escalationLine(
  { escalatedAfterS, recent, notified = [] }: OutgoingNotification,
  { language: { messages } }: TextContext,
): string {
  if (escalatedAfterS === undefined) return '';
  const values = { lasted: lasting(escalatedAfterS), notified: notified.map(plain).join(', ') };
  const name = recent?.ackEnded === true ? 'ack_ended' : 'not_acknowledged';
  const full = notified.length === 0 ? name : (`${name}_notified` as const);
  return fill(messages[full], values);
}

/** Its extreme is a value of the metric. */
const isNumeric = (notification: OutgoingNotification): boolean => !isAbsence(identityOf(notification).kind);

/** How old it is, and the value of now. */
function lateLines(notification: OutgoingNotification, context: TextContext): readonly string[] {
  if (!isLate(notification, context) || notification.origin !== undefined) return [];
  const { messages } = context.language;
  const { eventTimeMs, recent, threshold } = notification;
  const lasted = lasting((context.nowMs - eventTimeMs) / 1000);
  // The line above it names the zone.
  const zone = notification.past === 'over';
  const late = fill(messages.late, { lasted, time: timeText(eventTimeMs, context, zone) });
  const newest = recent?.newest;
  if (newest === undefined || newest.timeMs <= eventTimeMs) return [late];
  const value = quantityOf(newest.value, notification, context, [threshold]);
  return [late, fill(messages.now, { time: timeText(newest.timeMs, context, false), value })];
}

const timeText = (atMs: number, context: TextContext, zone: boolean): string =>
  localTime(atMs, context.nowMs, clockOf(context), { zone });

const runbookLine = (runbook: string | null, { language }: TextContext): string =>
  runbook === null ? '' : fill(language.messages.runbook, { value: plain(runbook) });

const SAMPLE = 'test';
const isFault = (notification: OutgoingNotification): boolean =>
  notification.sensorId === NO_SENSOR && notification.alertType !== SAMPLE;

function faultTitle({ event, sensorKey, severity }: OutgoingNotification, { language }: TextContext): string {
  const name =
    event === 'resolved' ? 'system_resolved' : event === 'escalated' ? 'system_escalated' : 'system_firing';
  return fill(language.messages[name], { name: oneLine(sensorKey), severity: language.severities[severity] });
}

function groupTitle({ notifications, total }: Delivery, context: TextContext): string {
  const [first] = notifications;
  const { messages, locale } = context.language;
  const isSame =
    first !== undefined &&
    !isOfSystem(first) &&
    notifications.every(({ event, alertType }) => event === first.event && alertType === first.alertType);
  const over = notifications.filter(({ past }) => past === 'over').length;
  const name = isSame ? groupMessage(notifications, first) : undefined;
  const values = {
    count: count(total, locale),
    subject: isSame ? subjectOf(first, context) : '',
    metric: isSame ? metricText(identityOf(first).metric, context.language) : '',
  };
  const areEnds = first !== undefined && notifications.every((each) => statusOf(each) === 'resolved');
  const title = fill(messages[name ?? (areEnds ? 'group_ended' : 'group')], values);
  // Not known of those that are not listed.
  const isPartlyOver = over > 0 && over < notifications.length && notifications.length === total;
  const isEscalation = notifications.every(({ escalatedAfterS }) => escalatedAfterS !== undefined);
  return oneLine(
    title +
      (isPartlyOver ? fill(messages.group_no_longer, { count: count(over, locale) }) : '') +
      (isEscalation ? messages.group_unacknowledged : ''),
  );
}

const GROUP_ABOVE = { now: 'group_above', over: 'group_was_above' } as const;
const GROUP_BELOW = { now: 'group_below', over: 'group_was_below' } as const;
const GROUP_END: NonNullable<KindSentences['groupEnd']> = {
  message: 'group_resolved',
  reasons: ['value', 'flapping_end'],
};

/** Message about the common crossing or end of a group; undefined: there is nothing to say but their number. */
function groupMessage(
  notifications: readonly OutgoingNotification[],
  first: OutgoingNotification,
): MessageName | undefined {
  if (first.event.startsWith('flapping')) return undefined;
  if (first.event === 'resolved') return groupEnd(notifications, first);
  const { kind, side } = identityOf(first);
  const { group = side === 'low' ? GROUP_BELOW : GROUP_ABOVE } = kindOf(kind).sentences ?? {};
  return notifications.every(({ past }) => past === 'over') ? group?.over : group?.now;
}

/** Removing a rule or retiring sensors ends alerts of sensors that are neither back nor back to normal. */
function groupEnd(
  notifications: readonly OutgoingNotification[],
  first: OutgoingNotification,
): MessageName | undefined {
  const { kind } = identityOf(first);
  const { groupEnd = GROUP_END } = kindOf(kind).sentences ?? {};
  const areAll = notifications.every(({ reason }) => groupEnd?.reasons.includes(reason ?? 'value'));
  return areAll ? groupEnd?.message : undefined;
}

function groupBody({ notifications, total }: Delivery, context: TextContext): string {
  const { messages, locale } = context.language;
  const more = total - notifications.length;
  const runbook = notifications.find((each) => each.runbook !== null)?.runbook ?? null;
  return [
    ...notifications.map((each) => {
      const { location } = each.facts;
      return `- ${sentenceOf(each, context)}${location === null ? '' : ` (${plain(location)})`}`;
    }),
    ...(more > 0 ? [fill(messages.group_more, { count: count(more, locale) })] : []),
    ...(runbook === null ? [] : [runbookLine(runbook, context)]),
  ].join('\n');
}

export function firstOf({ notifications }: Delivery): OutgoingNotification {
  const [first] = notifications;
  if (first === undefined) throw new RangeError('a dispatch of nothing');
  return first;
}
