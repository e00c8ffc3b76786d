import { SEVERITIES } from '../../core/alert/model.ts';
import type { NamedTime } from '../../core/notify/mute-times.ts';
import { groupingFields } from '../../core/notify/grouping-fields.ts';
import { duration } from '../../core/schema/common.ts';
import { flag, section, text, timezone } from '../../core/schema/fields.ts';
import * as z from '../../core/schema/zod.ts';
import { matchers, weekdays, window } from './suppression.ts';

const names = (description: string) =>
  z
    .union([text('name of a sink'), z.array(text('name of a sink')).max(50)])
    .transform((given): readonly string[] => (typeof given === 'string' ? [given] : given))
    .describe(description);

const timeNames = (description: string) =>
  z.array(text('name under notify.times')).max(20).optional().describe(description);

const step = section(
  {
    after: duration({ min: '1s', max: '7d' }).describe('time since the firing'),
    to: names('sinks that are notified then'),
  },
  'a step of the escalation',
);

/** One route as it is written; durations in milliseconds. */
export interface RouteEntry {
  readonly match: Readonly<Record<string, string>>;
  readonly min_severity: (typeof SEVERITIES)[number];
  readonly to?: readonly string[] | undefined;
  readonly continue: boolean;
  readonly active?: readonly string[] | undefined;
  readonly mute?: readonly string[] | undefined;
  readonly group_by?: readonly string[] | undefined;
  readonly group_wait?: number | undefined;
  readonly group_interval?: number | undefined;
  readonly repeat_interval?: number | undefined;
  readonly escalate?: readonly { readonly after: number; readonly to: readonly string[] }[] | undefined;
  readonly routes: readonly RouteEntry[];
}

const nested: z.ZodType<RouteEntry> = z
  .lazy(() => routeSchema as unknown as z.ZodType<RouteEntry>)
  .meta({ id: 'notify_route' });

const routeSchema = section(
  {
    match: matchers('the alerts of this route; {} is all of them').default({}),
    min_severity: z.enum(SEVERITIES).default('info').describe('only alerts of this severity and above'),
    to: names('sinks; [] for none; absent in a nested route: those of the route around it').optional(),
    continue: flag(false, 'compare an alert of this route with the routes behind it, too'),
    active: timeNames('times in which it sends; outside of them it is muted'),
    mute: timeNames('times in which it does not send'),
    ...groupingFields,
    repeat_interval: duration({ min: '1m', max: '365d' })
      .optional()
      .describe(
        'time between its reminders of an alert that is not acknowledged; absent: repeat_interval of the rule',
      ),
    escalate: z
      .array(step)
      .max(10)
      .optional()
      .describe('sinks to notify while an alert is firing and not acknowledged'),
    routes: z
      .array(nested)
      .max(100)
      .default([])
      .describe('more specific routes, of the same keys: they come first, and inherit what they leave out'),
  },
  'which alerts go to which sinks',
);

export const routesSchema = z
  .array(nested)
  .min(1)
  .max(100)
  .optional()
  .describe('the first that matches decides; absent: each sink gets what its own filters allow');

export const timesSchema = z
  .record(
    z.string().regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'must be lower-case letters, digits, - and _'),
    section(
      {
        window: window.default('00:00-24:00'),
        tz: timezone('IANA zone; absent: notify.timezone, where that is set, else UTC').optional(),
        days: weekdays,
      },
      'a time of the day on some days of the week',
    ),
  )
  .default({})
  .describe('times by name, for active and mute of routes');

type TimeEntry = Omit<NamedTime, 'tz'> & { readonly tz?: string | undefined };

/** The named times, each with its zone. */
export const timesIn = ({
  times,
  timezone = 'UTC',
}: {
  readonly times: Readonly<Record<string, TimeEntry>>;
  readonly timezone?: string | undefined;
}): Readonly<Record<string, NamedTime>> =>
  Object.fromEntries(
    Object.entries(times).map(([name, { tz = timezone, ...time }]) => [name, { ...time, tz }]),
  );
