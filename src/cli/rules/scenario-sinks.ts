import { settingsOf } from '../../app/wiring/notify.ts';
import { notifyFaults, routesOf } from '../../config/notify-routes.ts';
import type { Config } from '../../config/schema/index.ts';
import { routesSchema, timesIn, timesSchema } from '../../config/schema/notify-routes.ts';
import type { ScenarioSinks } from '../../core/alert/analysis/scenario.ts';
import { SEVERITIES } from '../../core/alert/model.ts';
import type { NamedTime } from '../../core/notify/mute-times.ts';
import { groupingFields, groupingOf } from '../../core/notify/grouping-fields.ts';
import { NotificationRoutes, type RoutedSink, type RoutesConfig } from '../../core/notify/recipients.ts';
import { timezone } from '../../core/schema/fields.ts';
import * as z from '../../core/schema/zod.ts';
import { SINKS } from '../../sinks/index.ts';

const kinds = Object.keys(SINKS) as [keyof typeof SINKS, ...(keyof typeof SINKS)[]];

/** Keys that decide about a sink's notifications, without those needed to send them. */
const sink = z.strictObject({
  name: z.string().min(1),
  kind: z.enum(kinds).default('ntfy'),
  min_severity: z.enum(SEVERITIES).default('info'),
  alert_types: z.array(z.string()).default([]),
  locations: z.array(z.string()).default([]),
  send_resolved: z.boolean().default(true),
  ...groupingFields,
});

type Sink = z.output<typeof sink>;

export const scenarioNotify = z
  .strictObject({
    sinks: z
      .array(
        z.union([
          z
            .string()
            .min(1)
            .transform((name): Sink => sink.parse({ name })),
          sink,
        ]),
      )
      .max(50),
    routes: routesSchema,
    times: timesSchema,
    timezone: timezone('of times without one, and of texts').optional(),
  })
  .superRefine((given, context) => {
    for (const { path, message } of notifyFaults({ ...given, times: timesIn(given) }))
      context.addIssue({ code: 'custom', path: [...path], message });
  })
  .transform((given): ScenarioNotify => ({
    sinks: given.sinks.map((each) => ({
      name: each.name,
      grouping: groupingOf(each),
      isGrouped: takesGroups(each.kind),
      filter: {
        minSeverity: each.min_severity,
        alertTypes: each.alert_types,
        locations: each.locations,
        sendResolved: each.send_resolved,
      },
    })),
    config: { routes: routesOf(given), times: timesIn(given) },
    timezone: given.timezone,
  }));

/** Sinks and routes, of a scenario or of a configuration. */
export interface ScenarioNotify {
  readonly sinks: readonly (RoutedSink & { readonly isGrouped: boolean })[];
  readonly config: RoutesConfig & { readonly times: Readonly<Record<string, NamedTime>> };
  readonly timezone: string | undefined;
}

export const notifyOf = ({ notify }: Pick<Config, 'notify'>): ScenarioNotify => ({
  sinks: notify.sinks.map((each) => ({ ...settingsOf(each), isGrouped: takesGroups(each.kind) })),
  config: { routes: routesOf(notify), times: notify.times },
  timezone: notify.timezone,
});

export const sinksOf = ({ sinks, config }: ScenarioNotify): ScenarioSinks => ({
  routes: new NotificationRoutes(config, sinks),
  grouped: new Set(sinks.flatMap(({ name, isGrouped }) => (isGrouped ? name : []))),
});

/** Whether sinks of a kind have the keys of groups. */
const takesGroups = (kind: keyof typeof SINKS): boolean => 'group_by' in SINKS[kind].schema.shape;
