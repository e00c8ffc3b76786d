import * as z from '../../core/schema/zod.ts';
import { alertsSchema } from '../../config/schema/alerts.ts';
import { someMatchers } from '../../config/schema/suppression.ts';
import type { ScenarioEvent } from '../../core/alert/analysis/scenario.ts';
import { RuleSet } from '../../core/alert/rules/rule-set.ts';
import type { Silence } from '../../core/alert/suppress/silence.ts';
import type { Micros, Millis } from '../../core/reading.ts';
import { type ScenarioMoment, moment, momentUs, notedReadings } from './moments.ts';

const alert = z.strictObject({
  sensor: z.string().optional(),
  alert_type: z.string().optional(),
  by: z.string().optional(),
  comment: z.string().optional(),
});

const ack = alert.extend({ for: moment.optional() });

const silence = z
  .strictObject({
    /** The id that `expire` names. */
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
  'expire', 'offline', 'online', 'retire',
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
    tick: z.union([z.literal(true), moment]).optional(),
    until: moment.optional(),
    connect: z.literal(true).optional(),
    disconnect: z.literal(true).optional(),
    offline: z.literal(true).optional(),
    online: z.literal(true).optional(),
    retained: z.literal(true).optional(),
    retire: z
      .strictObject({
        sensor: z.string().optional(),
        until_seen: z.boolean().default(false),
        undo: z.boolean().default(false),
      })
      .optional(),
    restart: z.literal(true).optional(),
    reload: z.unknown().optional(),
    ack: ack.optional(),
    resolve: alert.optional(),
    silence: silence.optional(),
    expire: z.union([z.string(), z.number()]).optional(),
  })
  .refine((given) => ACTIONS.filter((action) => action in given).length === 1, {
    error: `needs exactly one of ${ACTIONS.join(', ')}`,
  })
  .refine((given) => given.retained === undefined || given.offline === true || given.online === true, {
    error: 'goes with offline or online only',
    path: ['retained'],
  })
  .refine((given) => (given.until === undefined) === (given.tick === undefined || given.tick === true), {
    error: 'goes with tick: 10s, a tick every ten seconds, and that with it',
    path: ['until'],
  })
  .refine((given) => given.readings === undefined || given.at === undefined, {
    error: 'readings have times of their own; rx is when all of them arrived',
    path: ['at'],
  });
type Entry = z.output<typeof entrySchema>;

/** The clock of arrival counts milliseconds, and nothing arrives before it was measured. */
const clockMsOf = (timeUs: Micros): Millis => Math.ceil(timeUs / 1000);

export interface EntryDefaults {
  readonly sensor: string;
  readonly metric: string;
  readonly startMs: Millis;
  /** Where the clock stands: an entry without a time of its own happens now. */
  readonly clockMs: Millis;
}

export function eventsOf(each: Entry, defaults: EntryDefaults): ScenarioEvent[] {
  const { startMs, clockMs } = defaults;
  const given = each.rx ?? each.at;
  const atMs = given === undefined ? clockMs : clockMsOf(momentUs(given, startMs));
  const sensor = each.sensor ?? defaults.sensor;
  const metric = each.metric ?? defaults.metric;
  const readings = readingsOf(each, { atMs, sensor, metric, startMs });
  if (readings !== undefined) return readings;
  if ('reload' in each) return [reloadOf(each.reload, atMs)];
  if (each.silence !== undefined)
    return [{ kind: 'silence', atMs, silence: silenceOf(each.silence, startMs, atMs) }];
  if (each.expire !== undefined) return [{ kind: 'expire', atMs, id: String(each.expire) }];
  if (each.offline === true || each.online === true) {
    const { online = false, retained = false } = each;
    return [{ kind: 'availability', atMs, sensor, online, retained }];
  }
  if (each.retire !== undefined) {
    const { sensor: other = sensor, until_seen: untilSeen, undo } = each.retire;
    return [{ kind: 'retire', atMs, sensor: other, untilSeen, undo }];
  }
  if (each.tick !== undefined && each.tick !== true)
    return ticksOf(momentUs(each.tick, 0) / 1000, atMs, clockMsOf(momentUs(each.until ?? 0, startMs)));
  const operator = each.ack ?? each.resolve;
  if (operator !== undefined)
    return [
      {
        kind: each.ack === undefined ? 'resolve' : 'ack',
        atMs,
        sensor: operator.sensor ?? sensor,
        alertType: operator.alert_type ?? `${metric}_high`,
        by: operator.by ?? 'operator',
        ...(each.ack?.for === undefined ? {} : { untilMs: atMs + clockMsOf(momentUs(each.ack.for, 0)) }),
      },
    ];
  const kind = (['tick', 'connect', 'disconnect', 'restart'] as const).find((name) => each[name] === true);
  return [{ kind: kind ?? 'tick', atMs }];
}

const MOST_TICKS = 100_000;

/** The clock goes on in steps, as that of a daemon. */
function ticksOf(everyMs: Millis, fromMs: Millis, untilMs: Millis): ScenarioEvent[] {
  const ticks = Math.floor((untilMs - fromMs) / everyMs);
  if (!(everyMs >= 1 && ticks >= 1 && ticks <= MOST_TICKS))
    throw new Error(`tick: expected 1 to ${MOST_TICKS} steps until then`);
  return Array.from({ length: ticks }, (_, index) => ({
    kind: 'tick',
    atMs: fromMs + (index + 1) * everyMs,
  }));
}

/** A configuration with faults is part of the story: it is refused when its time comes, and the old one stays. */
function reloadOf(given: unknown, atMs: Millis): ScenarioEvent {
  const parsed = alertsSchema.safeParse(given ?? {});
  if (parsed.success) return { kind: 'reload', atMs, rules: new RuleSet(parsed.data) };
  const faults = parsed.error.issues.map(
    ({ path, message }) => `${path.join('.')}${path.length === 0 ? '' : ': '}${message}`,
  );
  return { kind: 'reload', atMs, rules: undefined, faults };
}

/** A silence of the file; it begins at `atMs` unless it says otherwise. `for` counts from its beginning. */
export function silenceOf(given: z.output<typeof silence>, startMs: Millis, atMs: Millis): Silence {
  const ms = (each: ScenarioMoment) => clockMsOf(momentUs(each, startMs));
  const startsMs = given.from === undefined ? atMs : ms(given.from);
  const endsMs = given.for === undefined ? ms(given.until ?? 0) : ms(given.for) - startMs + startsMs;
  const { id = '', match: matchers, by, comment } = given;
  if (endsMs <= startsMs) throw new Error(`silence${id === '' ? '' : ` ${id}`}: it ends before it begins`);
  return { id, matchers, startsMs, endsMs, by, comment };
}

interface Place {
  readonly atMs: Millis;
  readonly sensor: string;
  readonly metric: string;
  readonly startMs: Millis;
}

function readingsOf(each: Entry, { atMs, sensor, metric, startMs }: Place): ScenarioEvent[] | undefined {
  const reading = (timeUs: Micros, receivedMs: Millis, metrics: ReadonlyMap<string, unknown>) =>
    ({ kind: 'reading', atMs: receivedMs, timeUs, sensor, metrics }) as const;
  if (each.readings !== undefined)
    return notedReadings(each.readings, startMs).map(({ timeUs, receivedUs, value }) => {
      const allMs = each.rx === undefined ? clockMsOf(timeUs) : atMs;
      const receivedMs = receivedUs === undefined ? allMs : clockMsOf(receivedUs);
      return reading(timeUs, receivedMs, new Map([[metric, value]]));
    });
  const timeUs = each.at === undefined ? atMs * 1000 : momentUs(each.at, startMs);
  if (each.metrics !== undefined) return [reading(timeUs, atMs, new Map(Object.entries(each.metrics)))];
  return 'value' in each ? [reading(timeUs, atMs, new Map([[metric, each.value]]))] : undefined;
}
