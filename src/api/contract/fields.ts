import * as z from '../../core/schema/zod.ts';
import { SEVERITIES } from '../../core/alert/model.ts';

/**
 * Building blocks of the fields of all resources. Names are camelCase and end with their unit where it is not the metric's:
 * durations in seconds `…S`, in milliseconds `…Ms`, sizes `…Bytes`.
 */

export const text = (description: string) => z.string().describe(description);

/** ISO 8601 in UTC, to the millisecond. */
export const time = (description: string) =>
  z.iso.datetime().describe(`${description}; ISO 8601 in UTC, such as 2026-01-31T12:00:00.000Z`);

export const seconds = (description: string) => z.number().describe(`${description}; seconds`);

export const byteSize = (description: string) => z.number().min(0).describe(`${description}; bytes`);

/** How many of something. */
export const count = (description: string) => z.int().min(0).describe(`number of ${description}`);

/** A number of a metric. */
export const value = (description: string) =>
  z.number().describe(`${description}; in the unit of the metric`);

export const severity = z.enum(SEVERITIES).describe('how urgent: info, warning or critical');

export const unit = z
  .string()
  .nullable()
  .describe('unit of the values, such as °C; null: the metric has none, or it is not known');

export const sensorKey = text('the own name of the device, as it is registered');

/** A page of a list. `next` is the `cursor` of the following page; null: this is the last one. */
export const page = <Item extends z.ZodType>(item: Item, description: string) =>
  z.object({
    items: z.array(item).describe(description),
    next: z.string().nullable().describe('cursor of the next page; null: there is none'),
  });

const MAX_PAGE = 1000;

/** Query parameters of every list. */
export const pageQuery = {
  limit: z.coerce.number().int().min(1).max(MAX_PAGE).default(100).describe('number of items at most'),
  cursor: z
    .string()
    .max(4096)
    .regex(/^[\w-]*$/)
    .optional()
    .describe('`next` of the page before'),
};

/**
 * A moment: a time (`2026-01-31`, `2026-01-31T12:00Z`), or how long before now (`24h`, `90 days`). A time of day without a zone
 * is UTC.
 */
export const moment = (description: string) =>
  z
    .string()
    .min(1)
    .max(64)
    .describe(`${description}: a time such as 2026-01-31T12:00Z, or how long ago, such as 24h`);

/** One value or several of a query parameter. */
export const several = <Item extends z.ZodType<string>>(item: Item, most: number, description: string) =>
  z
    .preprocess(
      (given) => (given === undefined || Array.isArray(given) ? given : [given]),
      z.array(item).max(most),
    )
    .optional()
    .describe(description);

export const flag = (description: string) =>
  z
    .enum(['true', 'false'])
    .transform((given) => given === 'true')
    .optional()
    .describe(description);

export const uuid = (description: string) => z.uuid().describe(description);

export const keyParams = z.strictObject({
  key: z
    .string()
    .min(1)
    .max(1024)
    // A client takes `.` and `..` out of a path, also where they are escaped.
    .transform((key) => (/^(?:%2e){1,2}$/i.test(key) ? key.replace(/%2e/gi, '.') : key))
    .describe(
      'key of the sensor; `.` and `..`, which no path can hold, are `%2E` and `%2E%2E`, escaped: `%252E`',
    ),
});
