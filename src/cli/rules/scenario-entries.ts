import { z } from 'zod';
import { alertsSchema } from '../../config/schema/alerts.ts';
import { someMatchers } from '../../config/schema/suppression.ts';
import { parseDuration } from '../../core/duration.ts';
import { RuleSet } from '../../core/alert/rules.ts';
import type { ScenarioEvent } from '../../core/alert/scenario.ts';
import type { Silence } from '../../core/alert/suppress/silence.ts';

/** A moment: seconds after the start, a duration after it (`5m`), or an ISO 8601 time. */
const moment = z.union([z.number(), z.string()]);
type Moment = z.output<typeof moment>;

const alert = z.strictObject({
  sensor: z.string().optional(),
  alert_type: z.string().optional(),
  by: z.string().optional(),
  comment: z.string().optional(),
});

const silence = z
  .strictObject({
    /** What `expire` names. */
    id: z.string().optional(),
    match: someMatchers('the alerts it is about'),
    from: moment.optional(),
    for: moment.optional(),
    until: moment.optional(),
    by: z.string().default('operator'),
    comment: z.string().default(''),
  })
  .refine((given) => (given.for === undefined) !== (given.until === undefined), {
    error: 'needs an end: either for or until',
  });

export const silencesSchema = z.array(silence).default([]);

const ACTIONS = [
  'value', 'metrics', 'readings', 'tick', 'connect', 'disconnect', 'restart', 'reload', 'ack', 'resolve', 'silence',
  'expire',
] as const; // prettier-ignore

export const entrySchema = z
  .strictObject({
    at: moment.optional(),
    rx: moment.optional(),
    sensor: z.string().optional(),
    metric: z.string().optional(),
    value: z.unknown().optional(),
    metrics: z.record(z.string(), z.unknown()).optional(),
    readings: z.string().optional(),
    tick: z.literal(true).optional(),
    connect: z.literal(true).optional(),
    disconnect: z.literal(true).optional(),
    restart: z.literal(true).optional(),
    reload: z.unknown().optional(),
    ack: alert.optional(),
    resolve: alert.optional(),
    silence: silence.optional(),
    expire: z.union([z.string(), z.number()]).optional(),
  })
  .refine((given) => ACTIONS.filter((action) => action in given).length === 1, {
    error: `needs exactly one of ${ACTIONS.join(', ')}`,
  });
type Entry = z.output<typeof entrySchema>;

export interface EntryDefaults {
  readonly sensor: string;
  readonly metric: string;
  readonly startMs: number;
}

export function eventsOf(each: Entry, defaults: EntryDefaults): ScenarioEvent[] {
  const { startMs } = defaults;
  const at = momentMs(each.at ?? 0, startMs);
  const atMs = momentMs(each.rx ?? each.at ?? 0, startMs);
  const sensor = each.sensor ?? defaults.sensor;
  const metric = each.metric ?? defaults.metric;
  const readings = readingsOf(each, { at, atMs, sensor, metric, startMs });
  if (readings !== undefined) return readings;
  if ('reload' in each) {
    const parsed = alertsSchema.safeParse(each.reload ?? {});
    return [{ kind: 'reload', atMs, rules: parsed.success ? new RuleSet(parsed.data) : undefined }];
  }
  if (each.silence !== undefined)
    return [{ kind: 'silence', atMs, silence: silenceOf(each.silence, startMs, atMs) }];
  if (each.expire !== undefined) return [{ kind: 'expire', atMs, id: String(each.expire) }];
  const operator = each.ack ?? each.resolve;
  if (operator !== undefined)
    return [
      {
        kind: each.ack === undefined ? 'resolve' : 'ack',
        atMs,
        sensor: operator.sensor ?? sensor,
        alertType: operator.alert_type ?? `${metric}_high`,
        by: operator.by ?? 'operator',
      },
    ];
  const kind = (['tick', 'connect', 'disconnect', 'restart'] as const).find((name) => each[name] === true);
  return [{ kind: kind ?? 'tick', atMs }];
}

/** A silence of the file; it begins at `atMs` unless it says otherwise. `for` counts from its beginning. */
export function silenceOf(given: z.output<typeof silence>, startMs: number, atMs: number): Silence {
  const startsMs = given.from === undefined ? atMs : momentMs(given.from, startMs);
  const endsMs =
    given.for === undefined
      ? momentMs(given.until ?? 0, startMs)
      : momentMs(given.for, startMs) - startMs + startsMs;
  const { id = '', match: matchers, by, comment } = given;
  if (endsMs <= startsMs) throw new Error(`silence ${id}: it ends before it begins`);
  return { id, matchers, startsMs, endsMs, by, comment };
}

interface Place {
  readonly at: number;
  readonly atMs: number;
  readonly sensor: string;
  readonly metric: string;
  readonly startMs: number;
}

function readingsOf(each: Entry, { at, atMs, sensor, metric, startMs }: Place): ScenarioEvent[] | undefined {
  const reading = (timeMs: number, receivedMs: number, metrics: ReadonlyMap<string, unknown>) =>
    ({ kind: 'reading', atMs: receivedMs, timeUs: Math.round(timeMs * 1000), sensor, metrics }) as const;
  if (each.readings !== undefined)
    return pairs(each.readings).map(([second, value]) => {
      const timeMs = startMs + second * 1000;
      return reading(timeMs, each.rx === undefined ? timeMs : atMs, new Map([[metric, value]]));
    });
  if (each.metrics !== undefined) return [reading(at, atMs, new Map(Object.entries(each.metrics)))];
  return 'value' in each ? [reading(at, atMs, new Map([[metric, each.value]]))] : undefined;
}

function momentMs(moment: Moment, startMs: number): number {
  if (typeof moment === 'number') return startMs + moment * 1000;
  const ms = parseDuration(moment);
  if (ms !== undefined) return startMs + ms;
  const time = Date.parse(moment);
  if (Number.isNaN(time)) throw new Error(`"${moment}" is neither seconds, nor a duration, nor a time`);
  return time;
}

/** `(0,25)(60,31)`: seconds and values, the notation of the contract. */
function pairs(text: string): (readonly [number, number])[] {
  const found = [...text.matchAll(/\(\s*(-?[\d.]+)\s*,\s*(-?[\d.]+(?:e[-+]?\d+)?)\s*\)/gi)];
  const rest = text.replace(/\(\s*(-?[\d.]+)\s*,\s*(-?[\d.]+(?:e[-+]?\d+)?)\s*\)/gi, '').trim();
  if (rest !== '') throw new Error(`readings: cannot read "${rest}"; write (seconds,value)(seconds,value)`);
  return found.map(([, second, value]) => [Number(second), Number(value)] as const);
}
