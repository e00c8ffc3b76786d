import * as z from '../../schema/zod.ts';
import { duration } from '../../schema/common.ts';
import { text } from '../../schema/fields.ts';
import { SEVERITIES } from '../model.ts';

export const severity = z.enum(SEVERITIES).describe('how urgent: info, warning or critical');

const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
/** Set by the alert itself, or given a meaning by a receiver. */
const TAKEN = ['alertname', 'sensor', 'location', 'type', 'tag', 'metric', 'alert_type', 'kind', 'severity'];
const MOST_LABELS = 20;

const labels = z
  .record(
    z.string().regex(LABEL_NAME, 'is no label name: letters, digits and _').max(64),
    text('value').max(200).nullable(),
  )
  .superRefine((given, context) => {
    const names = Object.keys(given);
    for (const name of names)
      if (TAKEN.includes(name))
        context.addIssue({ code: 'custom', path: [name], message: `every alert has its own ${name}` });
    if (names.length > MOST_LABELS)
      context.addIssue({
        code: 'custom',
        message: `has ${names.length} labels; ${MOST_LABELS} are the most`,
      });
  })
  .describe(
    'labels of its alerts, such as team: cold, for routes, silences and receivers; scopes add theirs, null removes one',
  );

/** The fields that a rule of any kind has, in every layer. */
export const commonFields = {
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
  repeat_interval: duration({ min: '1s', max: '365d' })
    .nullable()
    .describe('time between reminders of an open alert that is not acknowledged; null: none'),
  latch: z
    .boolean()
    .describe('true: once it fired it stays open, also when it is clear again, until it is acknowledged'),
  runbook: text('link or hint that goes with every notification').max(2000),
  labels,
};

type Values = z.output<z.ZodObject<typeof commonFields>>;

/** Fields that always have a value, by the defaults of the configuration. */
type Filled =
  'severity' | 'hysteresis' | 'for' | 'for_mode' | 'min_samples' | 'keep_firing_for' | 'stale_after';

/** The common fields of the merged layers; durations in milliseconds. */
export type CommonValues = Pick<Values, Filled> & {
  readonly [Key in Exclude<keyof Values, Filled>]?: Values[Key] | undefined;
};
