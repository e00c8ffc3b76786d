import { z } from 'zod';
import { SEVERITIES } from '../../core/alert/model.ts';
import { checkRules } from '../../core/alert/rules/validate.ts';
import { duration } from '../../lib/schema/common.ts';
import { section, text } from '../../lib/schema/fields.ts';
import { inhibit, maintenance } from './suppression.ts';

/** A selector of an override, or the name of a metric: compared as written. */
const name = (description: string) => text(description).max(256);

const severity = z.enum(SEVERITIES).describe('how urgent: info, warning or critical');
const limit = (description: string) => z.number().describe(description);
const positive = (description: string) => z.number().positive().describe(description);

const level = z
  .strictObject({
    severity,
    max: limit('crossed above this').optional(),
    min: limit('crossed below this').optional(),
    for: duration({ max: '30d' })
      .optional()
      .describe('how long this level must be crossed; absent: the rule’s for, and at once while it fires'),
  })
  .refine(({ max, min }) => max !== undefined || min !== undefined, { error: 'needs max, min or both' })
  .describe('a further severity level of the rule');

const anomaly = z
  .strictObject({
    z: positive('standard deviations from the mean that are unusual').default(3),
    window: z
      .int()
      .min(3)
      .max(1000)
      .default(60)
      .describe('readings to compare with; all of them are needed for an evaluation'),
    hysteresis: z.number().min(0).default(0).describe('how far inside the band it must come back'),
  })
  .describe('unusual against the last readings (z-score)');

/** The fields that every layer may set. */
const bare = {
  severity,
  hysteresis: z.number().min(0).describe('how far back inside the limit a value must come to clear'),
  for: duration({ max: '30d' }).describe('how long a breach must last before it fires'),
  for_mode: z
    .enum(['confirmed', 'held'])
    .describe(
      'confirmed: a reading confirms it; held: the passing of time does, for sensors that report on change',
    ),
  min_samples: z.int().min(1).max(10_000).describe('breaching readings in a row before it fires'),
  keep_firing_for: duration({ max: '30d' }).describe('how long it must be clear before it resolves'),
  stale_after: duration({ min: '1s', max: '30d' }).describe(
    'a longer silence is a gap: it interrupts for and keep_firing_for',
  ),
  no_data_after: duration({ min: '1s', max: '365d' })
    .nullable()
    .describe('fires when a sensor that sent it sends nothing more for this long; null: never'),
  repeat_interval: duration({ min: '1s', max: '365d' })
    .nullable()
    .describe('time between reminders of an open alert that is not acknowledged; null: none'),
  latch: z
    .boolean()
    .describe('true: once it fired it stays open, also when it is clear again, until it is acknowledged'),
  runbook: text('link or hint that goes with every notification').max(2000),
};

const fields = z.strictObject(bare).partial().shape;

const rule = section(
  {
    ...fields,
    min: limit('fires below this').nullable().optional(),
    max: limit('fires above this').nullable().optional(),
    levels: z.array(level).max(6).optional().describe('further severities with limits of their own'),
    max_rise: positive('fires when it rises faster than this per minute').nullable().optional(),
    max_fall: positive('fires when it falls faster than this per minute').nullable().optional(),
    anomaly: anomaly.nullable().optional(),
  },
  'rules of a metric; null removes the setting of a wider scope',
);

const metrics = z
  .record(name('metric'), rule)
  .describe('rules by metric; "*" is every metric, weaker than a metric’s own name');

const defaults = section(
  {
    severity: bare.severity.default('warning'),
    hysteresis: bare.hysteresis.default(0),
    for: bare.for.prefault('0s'),
    for_mode: bare.for_mode.default('confirmed'),
    min_samples: bare.min_samples.default(1),
    keep_firing_for: bare.keep_firing_for.prefault('0s'),
    stale_after: bare.stale_after.prefault('10m'),
    no_data_after: fields.no_data_after,
    repeat_interval: fields.repeat_interval,
    latch: fields.latch,
    runbook: fields.runbook,
  },
  'defaults of all rules',
);

const override = section(
  {
    type: name('sensors of this type').optional(),
    location: name('sensors at this location').optional(),
    tag: name('sensors with this tag').optional(),
    sensor: name('the sensor with this key').optional(),
    metrics,
  },
  'rules for some sensors; a later scope wins per field: type < location < tag < sensor',
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
    allowed_lateness: duration({ max: '1h' })
      .prefault('0s')
      .describe(
        'readings are held this long for earlier ones, and then evaluated in the order of their times; 2s with mqtt.share_group',
      ),
    wait_for_spools: duration({ max: '1h' })
      .prefault('1m')
      .describe(
        'with mqtt.share_group: after an outage nothing is evaluated before the other members have drained their spools, for this long at most',
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
    flap: flap.optional(),
  },
  'when to raise an alert',
).superRefine((config, context) => {
  for (const { path, message } of checkRules(config))
    context.addIssue({ code: 'custom', path: [...path], message });
});
