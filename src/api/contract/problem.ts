import * as z from '../../core/schema/zod.ts';
import { text } from './fields.ts';

/** The body of every error: `application/problem+json` (RFC 9457). */
export const problemSchema = z
  .object({
    type: text('address of what the code means: /api/v1/problems/<code>'),
    title: text('the kind of the fault'),
    status: z.int().min(400).max(599).describe('number of the HTTP status'),
    detail: text('what happened here, and what was expected'),
    code: text('stable code, such as SENSOR_UNKNOWN; docs/errors.md lists them'),
    remedy: text('what can be done about it').optional(),
    instance: text('path of the request'),
    errors: z
      .array(
        z.object({
          pointer: text('where the fault is: /query/limit, /body/comment'),
          detail: text('what is wrong there'),
        }),
      )
      .optional()
      .describe('each fault of a request that is not valid'),
  })
  .meta({ id: 'Problem', description: 'Why a request was not answered' });
export type Problem = z.output<typeof problemSchema>;
