import * as z from '../../core/schema/zod.ts';
import { byteSize, moment, page, pageQuery, text, time, uuid } from './fields.ts';

export const ENCODINGS = ['utf8', 'base64'] as const;

const payload = z.object({
  encoding: z.enum(ENCODINGS).describe('utf8: text is the payload itself; base64: the payload is no text'),
  text: text('the payload in that encoding'),
});

export const deadLetterSchema = z
  .object({
    id: uuid('names it together with receivedAt'),
    receivedAt: time('when the message arrived'),
    topic: text('topic of the message'),
    reason: text('reject code or SQLSTATE; docs/errors.md explains them'),
    detail: z.string().nullable().describe('what exactly was wrong; null: the code says it'),
    sizeBytes: byteSize('the whole payload'),
    keptBytes: byteSize('what is kept of it'),
    payload: payload.describe('its beginning in a list; as much as is kept in the answer to one'),
    requeuedAt: time('when it was published again').nullable(),
  })
  .meta({ id: 'DeadLetter', description: 'A message that gave no reading' });
export type DeadLetter = z.output<typeof deadLetterSchema>;

export const deadLetterListSchema = page(deadLetterSchema, 'dead letters, the newest first').meta({
  id: 'DeadLetterList',
  description: 'A page of dead letters',
});
export type DeadLetterList = z.output<typeof deadLetterListSchema>;

export const deadLettersQuery = z.strictObject({
  from: moment('start').default('24h'),
  to: moment('end, not included; without it: now').optional(),
  reason: z.string().max(64).optional().describe('only this reject code or SQLSTATE'),
  topic: z.string().max(2000).optional().describe('only this topic'),
  ...pageQuery,
});
export type DeadLettersQuery = z.input<typeof deadLettersQuery>;

export const deadLetterParams = z.strictObject({ id: z.uuid().describe('id of the dead letter') });

export const retrySchema = z.strictObject({
  again: z.boolean().default(false).describe('true: also where it was published again before'),
});
export type Retry = z.input<typeof retrySchema>;

export const retriedSchema = z
  .object({
    id: uuid('the dead letter'),
    published: z.boolean().describe('true: the broker accepted it'),
    detail: z.string().nullable().describe('why it was not published; null: it was'),
  })
  .meta({ id: 'Retried', description: 'What became of a dead letter that was tried again' });
export type Retried = z.output<typeof retriedSchema>;
