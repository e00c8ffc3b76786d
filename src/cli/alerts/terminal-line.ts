import { formatDuration } from '../../core/duration.ts';
import { SEVERITIES } from '../../core/alert/model.ts';
import { plainText } from '../../core/printable.ts';
import { MARKS, lastedOf } from './line.ts';
import { suppressionWords } from './words.ts';
import { type Paint, padCells, severityPaint } from '../output/terminal.ts';

type Fields = Readonly<Record<string, unknown>>;

const ID_DIGITS = 8;

/**
 * A line of the daemon's log about an alert in readable form: time of day, what happened, the sentence, and in brackets what helps
 * to act on it: `[12:00:00] ● FIRING     Freezer 1: temperature 9.3 °C, above 8 °C  (cold room, critical, 7b0e3c52)`. Undefined for
 * every other line.
 */
export const terminalAlertLine =
  (paint: Paint) =>
  (fields: Fields): string | undefined => {
    const { event, msg, alert_id: alertId, severity } = fields;
    if (event === 'no_data_group') return groupLine(fields, paint);
    const mark =
      typeof event === 'string' && Object.hasOwn(MARKS, event)
        ? MARKS[event as keyof typeof MARKS]
        : undefined;
    if (mark === undefined || typeof alertId !== 'string' || typeof msg !== 'string') return undefined;
    const named = SEVERITIES.find((each) => each === severity) ?? 'warning';
    const isGood = event === 'resolved' || event === 'acknowledged';
    const color = isGood ? paint.green : severityPaint(paint, named);
    const facts = [
      textOf(fields.location),
      event === 'resolved' ? lasted(fields) : event === 'acknowledged' ? undefined : named,
      typeof fields.suppressed === 'string' ? suppressionWords(fields.suppressed) : undefined,
      fields.persisted === false ? 'not stored yet' : undefined,
      event === 'silence_added' || event === 'silence_ended' ? undefined : alertId.slice(0, ID_DIGITS),
    ].filter((fact) => fact !== undefined);
    const about = facts.length === 0 ? '' : `  ${paint.dim(`(${facts.join(', ')})`)}`;
    return `${timeOf(fields, paint)} ${padCells(color(mark), 13)} ${plainText(msg)}${about}\n`;
  };

function groupLine(fields: Fields, paint: Paint): string {
  const { transition, msg, alerts, sensors, first, total } = fields;
  const isOver = transition === 'resolved';
  const mark = isOver ? paint.green(MARKS.resolved) : paint.yellow(MARKS.firing);
  const names = Array.isArray(first) ? first.map((name) => plainText(String(name))).join(', ') : '';
  const text = `${String(msg)}: ${String(alerts)} alerts of ${String(sensors)} sensors (${names}, …), ${String(total)} in all`;
  return `${timeOf(fields, paint)} ${padCells(mark, 13)} ${text}\n`;
}

const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? plainText(value) : undefined;

function lasted({
  alert_type: alertType,
  kind,
  duration_s: durationS,
  threshold,
}: Fields): string | undefined {
  if (typeof durationS !== 'number') return undefined;
  const seconds = lastedOf({
    alertType: String(alertType),
    ...(typeof kind === 'string' ? { kind } : {}),
    durationS,
    threshold: typeof threshold === 'number' ? threshold : null,
  });
  return `after ${formatDuration(Math.round(seconds ?? durationS) * 1000)}`;
}

/** The clock of this machine, as the other lines of a terminal have it. */
function timeOf({ time }: Fields, paint: Paint): string {
  const at = new Date(typeof time === 'string' || typeof time === 'number' ? time : NaN);
  const clock = Number.isNaN(at.getTime())
    ? '--:--:--'
    : [at.getHours(), at.getMinutes(), at.getSeconds()]
        .map((part) => String(part).padStart(2, '0'))
        .join(':');
  return paint.dim(`[${clock}]`);
}
