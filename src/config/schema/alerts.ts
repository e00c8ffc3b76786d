import * as z from '../../core/schema/zod.ts';
import { kindFields } from '../../core/alert/kind/index.ts';
import { offlineFields } from '../../core/alert/kind/offline.ts';
import { commonFields } from '../../core/alert/rules/common-fields.ts';
import { checkRules } from '../../core/alert/rules/validate.ts';
import { duration } from '../../core/schema/common.ts';
import { section, text } from '../../core/schema/fields.ts';
import { inhibit, maintenance, someMatchers } from './suppression.ts';

/** A selector of an override, or the name of a metric: compared as written. */
const name = (description: string) => text(description).max(256);

const fields = z.strictObject(commonFields).partial().shape;

const rule = section(
  { ...fields, ...z.strictObject(kindFields).partial().shape },
  'rules of a metric; null removes the setting of a wider scope',
);

const metrics = z
  .record(name('metric'), rule)
  .describe('rules by metric; "*" is every metric, weaker than a metric’s own name');

const defaults = section(
  {
    severity: commonFields.severity.default('warning'),
    hysteresis: commonFields.hysteresis.default(0),
    for: commonFields.for.prefault('0s'),
    for_mode: commonFields.for_mode.default('confirmed'),
    min_samples: commonFields.min_samples.default(1),
    keep_firing_for: commonFields.keep_firing_for.prefault('0s'),
    stale_after: commonFields.stale_after.prefault('10m'),
    no_data_after: kindFields.no_data_after.optional(),
    repeat_interval: fields.repeat_interval,
    latch: fields.latch,
    runbook: fields.runbook,
    labels: fields.labels,
  },
  'defaults of all rules',
);

const offlineKeys = z.strictObject(offlineFields).partial().shape;

const override = section(
  {
    type: name('sensors of this type').optional(),
    location: name('sensors at this location').optional(),
    tag: name('sensors with this tag').optional(),
    sensor: name('the sensor with this key').optional(),
    metrics: metrics.default({}),
    ...offlineKeys,
  },
  'rules for some sensors; a later scope wins per field: type < location < tag < sensor',
);

const count = section(
  {
    name: z
      .string()
      .regex(/^[a-z][a-z0-9_]{0,99}$/, 'is no name: lower case letters, digits and _')
      .describe('type of the alert; its sensor is count:<name>'),
    of: someMatchers('the alerts that are counted'),
    at_least: z.int().min(2).max(1_000_000).describe('fires while this many are open at once'),
    for: duration({ max: '30d' }).optional().describe('how long that must last before it fires'),
    severity: commonFields.severity.optional(),
    repeat_interval: commonFields.repeat_interval.optional(),
    runbook: commonFields.runbook.optional(),
    labels: commonFields.labels.optional(),
  },
  'an alert while several others are open at once',
);

const flap = section(
  {
    changes: z
      .int()
      .min(2)
      .max(1000)
      .default(4)
      .describe('firings and resolves within the window that are flapping'),
    window: duration({ min: '1s', max: '7d' }).prefault('10m').describe('time in which they are counted'),
    hold: duration({ min: '1s', max: '7d' })
      .prefault('10m')
      .describe('it ends after this long without a change'),
  },
  'one notification instead of many while a value swings around its limit',
);

export const alertsSchema = section(
  {
    defaults: defaults.prefault({}),
    ...offlineKeys,
    allowed_lateness: duration({ max: '1h' })
      .prefault('0s')
      .describe(
        'readings are held this long for earlier ones, and then evaluated in the order of their times; 2s with mqtt.share_group',
      ),
    wait_for_spools: duration({ max: '1h' })
      .prefault('1m')
      .describe(
        'with mqtt.share_group: nothing is evaluated before all members have read what the broker kept for them and drained their spools, for this long at most',
      ),
    backfill_after: duration({ min: '1s', max: '30d' })
      .prefault('10m')
      .describe('an episode that was over for longer when it was evaluated is logged and not notified'),
    max_future_skew: duration({ max: '1d' })
      .prefault('5m')
      .describe('readings further in the future than this are evaluated at the time they arrived'),
    metrics: metrics.default({}),
    overrides: z.array(override).max(10_000).default([]).describe('rules for some sensors only'),
    max_silence: duration({ min: '1m', max: '365d' })
      .prefault('30d')
      .describe('the longest silence that an operator can set'),
    maintenance: z
      .array(maintenance)
      .max(1000)
      .default([])
      .describe('recurring windows without notifications'),
    inhibit: z.array(inhibit).max(100).default([]).describe('alerts that are explained by another one'),
    counts: z
      .array(count)
      .max(100)
      .default([])
      .describe('alerts while several others are open at once')
      .superRefine((given, context) => {
        const names = given.map(({ name }) => name);
        names.forEach((name, index) => {
          if (names.indexOf(name) < index)
            context.addIssue({
              code: 'custom',
              path: [index, 'name'],
              message: `two counts are called ${name}`,
            });
        });
      }),
    flap: flap.optional(),
  },
  'when to raise an alert',
).superRefine((config, context) => {
  for (const { path, message } of checkRules(config))
    context.addIssue({ code: 'custom', path: [...path], message });
});
