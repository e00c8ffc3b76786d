import * as z from '../../schema/zod.ts';
import { duration } from '../../schema/common.ts';
import { text } from '../../schema/fields.ts';
import { SEVERITIES } from '../model.ts';

export const severity = z.enum(SEVERITIES).describe('how urgent: info, warning or critical');

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
};

type Values = z.output<z.ZodObject<typeof commonFields>>;

/** Those that always have a value, by the defaults of the configuration. */
type Filled =
  'severity' | 'hysteresis' | 'for' | 'for_mode' | 'min_samples' | 'keep_firing_for' | 'stale_after';

/** The common fields of the merged layers; durations in milliseconds. */
export type CommonValues = Pick<Values, Filled> & {
  readonly [Key in Exclude<keyof Values, Filled>]?: Values[Key] | undefined;
};
