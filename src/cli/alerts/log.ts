import { SEVERITIES } from '../../core/alert/model.ts';
import { type AlertEvent, MARKS } from './line.ts';

const SUPPRESSIONS = ['silence', 'maintenance', 'inhibition', 'backfill'] as const;

type Fields = Readonly<Record<string, unknown>>;

/**
 * An alert from a line of the daemon's log; undefined for every other line, also for one that is cut off or that some
 * other program wrote.
 */
export function alertOfLogLine(line: string): AlertEvent | undefined {
  const fields = parse(line);
  const event = oneOf(Object.keys(MARKS) as (keyof typeof MARKS)[], fields.event);
  const severity = oneOf(SEVERITIES, fields.severity);
  const alertType = fields.alert_type;
  const eventTimeMs = timeOf(fields.event_time ?? fields.time);
  if (event === undefined || severity === undefined || typeof alertType !== 'string') return undefined;
  if (eventTimeMs === undefined) return undefined;
  return {
    event,
    severity,
    alertType,
    ...(typeof fields.metric === 'string' && typeof fields.kind === 'string'
      ? { metric: fields.metric, kind: fields.kind }
      : {}),
    eventTimeMs,
    sensorKey: textOf(fields.sensor) ?? `#${textOf(fields.sensor_id) ?? '?'}`,
    value: numberOf(fields.value),
    threshold: numberOf(fields.threshold),
    durationS: numberOf(fields.duration_s),
    peakValue: numberOf(fields.peak_value),
    suppressed: oneOf(SUPPRESSIONS, fields.suppressed) ?? null,
  };
}

function parse(line: string): Fields {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Fields) : {};
  } catch {
    return {};
  }
}

const oneOf = <T extends string>(known: readonly T[], value: unknown): T | undefined =>
  known.find((one) => one === value);

const numberOf = (value: unknown): number | null => (typeof value === 'number' ? value : null);

const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;

function timeOf(value: unknown): number | undefined {
  const ms = typeof value === 'number' ? value : typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isFinite(ms) ? ms : undefined;
}
