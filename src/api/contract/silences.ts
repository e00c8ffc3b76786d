import * as z from '../../core/schema/zod.ts';
import { count, flag, page, pageQuery, text, time } from './fields.ts';
import { commentSchema } from './session.ts';

export const SILENCE_STATES = ['active', 'waiting', 'over'] as const;

const matchers = z
  .record(z.string(), z.string())
  .describe(
    'label to pattern: sensor, location, type, tag, metric, alert_type, severity, or the name of a tag written name=value; * is any text. All must match',
  );

export const silenceSchema = z
  .object({
    id: text('number of the silence'),
    state: z.enum(SILENCE_STATES).describe('waiting: it has not begun'),
    matchers,
    startsAt: time('its start'),
    endsAt: time('its end'),
    by: text('who added it'),
    comment: text('why'),
    createdAt: time('when it was added'),
    expiredBy: z.string().nullable().describe('who took it back before its end; null: it was not'),
  })
  .meta({ id: 'Silence', description: 'Notifications of alerts that match are suppressed for a time' });
export type Silence = z.output<typeof silenceSchema>;

export const silenceListSchema = page(silenceSchema, 'silences, the one that lasts longest first').meta({
  id: 'SilenceList',
  description: 'A page of silences',
});
export type SilenceList = z.output<typeof silenceListSchema>;

export const silencesQuery = z.strictObject({
  all: flag('true: also those that are over; they are kept for 90 days'),
  ...pageQuery,
});

/** Either `until` or `forS`. */
export const newSilenceSchema = z
  .strictObject({
    matchers,
    from: z.iso.datetime({ offset: true }).optional().describe('its start as ISO 8601; without it: now'),
    until: z.iso.datetime({ offset: true }).optional().describe('its end as ISO 8601'),
    forS: z
      .number()
      .positive()
      .max(315_360_000)
      .optional()
      .describe('how long it lasts, instead of until; seconds'),
    comment: commentSchema,
  })
  .meta({ id: 'NewSilence', description: 'A silence to be added; until or forS' });
export type NewSilence = z.input<typeof newSilenceSchema>;

export const addedSilenceSchema = silenceSchema
  .extend({ open: count('open alerts'), matched: count('open alerts that it matches') })
  .meta({ id: 'AddedSilence', description: 'The silence, and how many open alerts it matches now' });
export type AddedSilence = z.output<typeof addedSilenceSchema>;

export const silenceParams = z.strictObject({
  id: z
    .string()
    .regex(/^\d{1,18}$/)
    .describe('number of the silence'),
});
