import { isOfAbsence, kindOf } from '../../core/alert/kind/index.ts';
import type { EpisodeStepName } from '../../core/alert/state/transitions.ts';
import { extremeOf } from '../../core/alert/extreme.ts';
import type { StatedUnit } from '../../core/metric-unit.ts';
import { plainText } from '../../core/printable.ts';
import type { Millis } from '../../core/reading.ts';
import type { EpisodeStep } from '../../queries/alert-course.ts';
import {
  type ActiveSilence,
  type DeliveryRow,
  type EpisodeRecord,
  type EpisodeRow,
  metricAndKind,
  severityOf,
} from '../../queries/alert-episodes.ts';
import type { SinkStatus } from '../../queries/status.ts';
import type { Sentences } from './sentences.ts';
import { deliveryWords, endingWords, explainedSuppression, outcomeWords, routeWords } from './words.ts';
import { crossingText, since, standing, valueText } from './episode-text.ts';
import { formatSpan, formatTime } from '../output/format.ts';
import { curveLines } from '../output/plot.ts';
import type { RouteOfDelivery } from './routes-of-deliveries.ts';
import { type Column, inZone, tableLines } from '../output/table.ts';
import { padCells, type Paint, severityPaint, wrapWords } from '../output/terminal.ts';
import type { Zone } from '../zone.ts';

/** Everything that is known of one episode. */
export interface AlertStory {
  readonly nowMs: Millis;
  readonly record: EpisodeRecord;
  readonly steps: readonly EpisodeStep[];
  /** In effect now. */
  readonly silences: readonly ActiveSilence[];
  readonly stated: StatedUnit;
  /** A stored message in the words of a notification. */
  readonly worded: Sentences;
  /** Undefined: it is about no metric, or no values are kept. */
  readonly curve: Curve | undefined;
  /** The sinks that its notifications went to. */
  readonly sinks: readonly SinkStatus[];
  readonly routes: RouteOfDelivery;
}

/** Values around an episode, evenly spaced. */
export interface Curve {
  readonly metric: string;
  readonly from: Date;
  readonly to: Date;
  readonly values: readonly (number | null)[];
}

const SIGNS: Readonly<Record<EpisodeStepName, string>> = {
  started: '○',
  firing: '●',
  escalated: '▲',
  deescalated: '▽',
  reminder: '·',
  flapping_start: '≈',
  flapping_end: '≈',
  acked: '◇',
  resolved: '✓',
};

const WORDS: Readonly<Record<EpisodeStepName, string>> = {
  started: 'first breach',
  firing: 'fired',
  escalated: 'escalated',
  deescalated: 'less severe',
  reminder: 'reminder',
  flapping_start: 'flapping',
  flapping_end: 'steady again',
  acked: 'acknowledged',
  resolved: 'resolved',
};

interface Page {
  readonly paint: Paint;
  readonly width: number;
  /** Zone of all times in the story. */
  readonly zone: Zone;
}

/** The story of an alert as text of at most `width` cells a line, as far as names allow. */
export function storyLines(story: AlertStory, paint: Paint, width: number, zone: Zone): readonly string[] {
  const page = { paint, width, zone };
  const sections = [
    headLines(story, page),
    plotLines(story, page),
    courseLines(story, page),
    deliveryLines(story, page),
    silenceLines(story, page),
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .flatMap((lines, index) => (index === 0 ? lines : ['', ...lines]));
}

function headLines(
  { record, nowMs, stated, worded }: AlertStory,
  { paint, width, zone }: Page,
): readonly string[] {
  const { episode: row, rows, notifications } = record;
  const [first] = rows;
  const resolved = row.resolvedAt !== null;
  const color = resolved ? paint.green : severityPaint(paint, severityOf(row.severity));
  const sinceAt = since(first);
  const peakValue = row.peakValue ?? row.peakSoFar;
  const labels = notifications.at(-1)?.labels ?? {};
  const facts: readonly (readonly [string, string | null])[] = [
    ['id', row.alertId],
    ['sensor', row.name === null ? row.sensor : `${row.sensor} (${row.name})`],
    ['location', row.location],
    ['type', row.type],
    ['tags', row.tags.length === 0 ? null : row.tags.join(', ')],
    ['value', row.value === null ? null : crossingText(row, stated)],
    [
      extremeOf({ ...row, peakValue }),
      peakValue === null || isOfAbsence(row) ? null : valueText(peakValue, row, stated, row.threshold),
    ],
    ['since', formatTime(sinceAt, zone)],
    [resolved ? 'lasted' : 'lasts', formatSpan(sinceAt, row.resolvedAt ?? new Date(nowMs))],
    [
      'resolved',
      resolved
        ? [formatTime(row.resolvedAt, zone), endingWords(row.resolveReason ?? '')]
            .filter((part) => part !== '')
            .join(', ')
        : null,
    ],
    ['not notified', notNotified(row, record.deliveries)],
    ['runbook', notifications.findLast(({ runbook }) => runbook !== null)?.runbook ?? null],
    [
      'labels',
      Object.entries(labels)
        .map(([name, value]) => `${name}=${value}`)
        .join(', ') || null,
    ],
    ['notes', row.backfilled ? 'it was over before its readings arrived' : null],
  ];
  const title = `${SIGNS[resolved ? 'resolved' : 'firing']} ${row.severity} ${row.alertType}`;
  return [
    `${color(plainText(title))}  ${plainText(standing(row, zone))}`,
    ...(row.message === null ? [] : wrapWords(plainText(worded(row.message)), width)),
    '',
    ...facts.flatMap(([name, value]) =>
      value === null ? [] : wrapWords(`${padCells(name, 13)} ${plainText(value)}`, width, ' '.repeat(14)),
    ),
  ];
}

function notNotified(
  { deferredBy, suppressed }: EpisodeRow,
  deliveries: readonly DeliveryRow[],
): string | null {
  const was = deliveries.some(({ outcome }) => outcome === 'sent');
  if (deferredBy !== null) return `${was ? 'any more:' : 'now'} ${explainedSuppression(deferredBy)}`;
  return suppressed === null ? null : `when it fired, ${explainedSuppression(suppressed)}`;
}

function plotLines({ curve, record: { rows }, steps }: AlertStory, { width, zone }: Page): readonly string[] {
  if (curve === undefined) return [];
  const { metric, from, to, values } = curve;
  const [first] = rows;
  const limits = rows.flatMap(({ threshold }) => threshold ?? []);
  const place = (at: Date) => (at.getTime() - from.getTime()) / (to.getTime() - from.getTime());
  const marks = steps
    .filter(({ event }) => event !== 'reminder')
    .map(({ at, event }) => ({ at: place(at), sign: SIGNS[event] }));
  const lines = curveLines(
    {
      ...{ values, marks, from: formatTime(from, zone), to: formatTime(to, zone) },
      limits: kindOf(metricAndKind(first).kind).limitOnCurve === undefined ? [] : limits,
    },
    width,
  );
  return lines.length === 0 ? [] : [plainText(metric), ...lines];
}

function courseLines(
  { steps, record: { rows }, stated, worded }: AlertStory,
  { paint, width, zone }: Page,
): readonly string[] {
  const [first] = rows;
  const ofSilence = isOfAbsence(first);
  const number = (value: number | null) =>
    value === null || ofSilence ? '' : valueText(value, first, stated, first.threshold);
  const course = ofSilence ? steps.flatMap((step) => ofMissed(step, first)) : steps;
  return [
    paint.bold('course'),
    ...course.flatMap(({ at, event, severity, value, message, by, comment, until }) => {
      const details = [
        // The sentence has it.
        message === null ? number(value) : '',
        by === null ? '' : `by ${by}`,
        until === null ? '' : `until ${formatTime(until, zone)}`,
        comment === null ? '' : `"${comment}"`,
        message === null ? '' : worded(message, { event, at }),
      ].filter((part) => part !== '');
      const word = ofSilence && event === 'started' ? 'last sign of life' : WORDS[event];
      const named = severity === null || event === 'resolved' ? word : `${word}, ${severity}`;
      const head = `${SIGNS[event]} ${formatTime(at, zone)}  ${padCells(named, 20)}`;
      return wrapWords(`${head}  ${plainText(details.join('  '))}`, width, ' '.repeat(24));
    }),
  ];
}

/** The episode of what is missed begins when that is noticed; where the sensor said so itself, it has no beginning before that. */
function ofMissed(step: EpisodeStep, first: EpisodeRow): readonly EpisodeStep[] {
  if (step.event !== 'started') return [step];
  const at = since(first);
  return at < step.at ? [{ ...step, at }] : [];
}

const deliveryColumns = (routes: RouteOfDelivery, zone: Zone): readonly Column<DeliveryRow>[] =>
  inZone(
    [
      { title: 'sink', value: ({ sink }) => sink },
      { title: 'what', value: deliveryWords },
      { title: 'queued', value: ({ queuedAt }) => queuedAt, leaves: 1 },
      { title: 'outcome', value: outcomeWords },
      { title: 'at', value: ({ doneAt, heldUntil }) => heldUntil ?? doneAt },
      { title: 'route', value: (delivery) => routeWords(routes(delivery) ?? ''), leaves: 2 },
    ],
    zone,
  );

function deliveryLines(
  { record: { deliveries, episode }, routes, sinks }: AlertStory,
  { paint, width, zone }: Page,
): readonly string[] {
  if (deliveries.length === 0) return [paint.bold('notifications'), noneBecause(episode)];
  const failing = sinks.filter(({ failingSince }) => failingSince !== null);
  return [
    paint.bold('notifications'),
    ...tableLines(deliveryColumns(routes, zone), deliveries, paint, width),
    ...failing.flatMap(({ name, failingSince, lastError }) => {
      const text = `${name} fails since ${formatTime(failingSince, zone)}: ${lastError ?? ''}`;
      return wrapWords(plainText(text), width, '  ').map(paint.red);
    }),
  ];
}

function noneBecause(row: EpisodeRow): string {
  if (row.backfilled) return 'none: it was over before its readings arrived';
  const why = notNotified(row, []);
  return why === null ? 'none, or they are kept no longer' : `none: ${why}`;
}

const silenceLines = ({ silences }: AlertStory, { width, zone }: Page): readonly string[] =>
  silences.flatMap(({ id, by, endsAt, comment, matchers }) => {
    const about = Object.entries(matchers).map(([label, pattern]) => `${label}=${pattern}`);
    const why = comment === '' ? '' : `: "${comment}"`;
    const text = `silence ${id} by ${by} until ${formatTime(endsAt, zone)} (${about.join(', ')})${why}`;
    return wrapWords(plainText(text), width, '  ');
  });

/** The story as JSON, its fields named as in the database and in the log. */
export function storyDocument({ record, steps, silences, curve, sinks, routes }: AlertStory) {
  const { episode: row, rows, notifications, deliveries } = record;
  const [first] = rows;
  const last = notifications.at(-1);
  const { metric, kind } = metricAndKind(row);
  const failures = new Map(sinks.map((sink) => [sink.name, sink]));
  return {
    ...{ alert_id: row.alertId, sensor_id: row.sensorId, sensor: row.sensor, name: row.name },
    ...{ location: row.location, type: row.type, tags: row.tags, alert_type: row.alertType, metric, kind },
    ...{ severity: row.severity, state: row.state, message: row.message },
    ...{ value: row.value, threshold: row.threshold, peak_value: row.peakValue ?? row.peakSoFar },
    ...{ time: row.time, started_at: first.startedAt, resolved_at: row.resolvedAt },
    ...{ resolved_value: row.resolvedValue, resolve_reason: row.resolveReason },
    ...{ acked_at: row.ackedAt, acked_by: row.ackedBy, acked_until: row.ackedUntil },
    ...{ suppressed: row.suppressed, deferred_by: row.deferredBy, backfilled: row.backfilled },
    ...{ runbook: last?.runbook ?? null, labels: last?.labels ?? {} },
    transitions: steps,
    notifications: deliveries.map((delivery) => ({
      ...{ sink: delivery.sink, event: delivery.event, origin: delivery.origin, step: delivery.step },
      ...{ queued_at: delivery.queuedAt, held_until: delivery.heldUntil },
      ...{ outcome: delivery.outcome, done_at: delivery.doneAt, route: routes(delivery) ?? null },
      sink_failing_since: failures.get(delivery.sink)?.failingSince ?? null,
      sink_error: failures.get(delivery.sink)?.lastError ?? null,
    })),
    silences: silences.map(({ id, matchers, endsAt, by, comment }) => ({
      ...{ id, matchers, ends_at: endsAt, by, comment },
    })),
    curve: curve && { metric: curve.metric, from: curve.from, to: curve.to },
  };
}
