import { labelFault } from '../alert/suppress/matcher.ts';
import { duration } from '../schema/common.ts';
import { text } from '../schema/fields.ts';
import * as z from '../schema/zod.ts';
import { type GroupingConfig } from './routes.ts';
import { UNGROUPED } from './grouping.ts';

const label = text('label').superRefine((name, context) => {
  const fault = name === UNGROUPED ? undefined : labelFault(name);
  if (fault !== undefined) context.addIssue({ code: 'custom', message: fault });
});

/** How notifications are grouped, of a sink or a route; absent: the wider scope, then the defaults of the kind. */
export const groupingFields = {
  group_by: z
    .array(label)
    .max(10)
    .optional()
    .describe(
      'labels whose alerts are sent together, as in match; default alert_type, [] for all together, ["..."] for each alone',
    ),
  group_wait: duration({ max: '10m' })
    .optional()
    .describe('how long the first of a group waits for others; default 5s, 30s for no-data and offline'),
  group_interval: duration({ max: '24h' })
    .optional()
    .describe(
      'time between two notifications of a group; default 30s, 10s for critical, 5m for no-data and offline',
    ),
};

interface GroupingEntry {
  readonly group_by?: readonly string[] | undefined;
  readonly group_wait?: number | undefined;
  readonly group_interval?: number | undefined;
}

export const groupingOf = (entry: GroupingEntry): GroupingConfig => ({
  groupBy: entry.group_by,
  groupWaitMs: entry.group_wait,
  groupIntervalMs: entry.group_interval,
});
