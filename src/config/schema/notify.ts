import { timezone } from '../../core/schema/fields.ts';
import * as z from '../../core/schema/zod.ts';
import { LANGUAGE_NAMES } from '../../core/notify/text/languages.ts';
import { SINKS } from '../../sinks/index.ts';
import { notifyFaults } from '../notify-routes.ts';
import { routesSchema, timesIn, timesSchema } from './notify-routes.ts';

type Schema = (typeof SINKS)[keyof typeof SINKS]['schema'];

const sink = z
  .discriminatedUnion('kind', Object.values(SINKS).map(({ schema }) => schema) as [Schema, ...Schema[]], {
    error: (issue) =>
      issue.code === 'invalid_union' ? `kind is not one of ${Object.keys(SINKS).join(', ')}` : undefined,
  })
  // Once in the JSON schema, which has it twice: in a list of sinks, and below `sinks`.
  .meta({ id: 'notify_sink', description: 'where notifications go' });

const sinks = z
  .array(sink)
  .max(50)
  .superRefine((given, context) => {
    given.forEach(({ name }, index) => {
      if (given.findIndex((other) => other.name === name) < index)
        context.addIssue({
          code: 'custom',
          path: [index, 'name'],
          message: `"${name}" is taken by another sink`,
        });
    });
  });

const routed = z
  .strictObject({
    sinks: sinks.default([]).describe('where notifications go'),
    routes: routesSchema,
    times: timesSchema,
    language: z
      .enum(LANGUAGE_NAMES)
      .default('en')
      .describe('language of texts, where a sink has none of its own'),
    timezone: timezone(
      'IANA zone of times in texts, where a sink has none of its own; absent: that of this machine',
    ).optional(),
  })
  .superRefine((given, context) => {
    for (const { path, message } of notifyFaults({ ...given, times: timesIn(given) }))
      context.addIssue({ code: 'custom', path: [...path], message });
  });

/** A list of sinks is the short form: each is a route of its own. */
export const notifySchema = z
  .union([sinks, routed])
  .transform((given) =>
    Array.isArray(given)
      ? { sinks: given, routes: undefined, times: {}, language: 'en' as const, timezone: undefined }
      : { ...given, times: timesIn(given) },
  )
  .prefault([])
  .describe('where notifications go besides the log: a list of sinks, or sinks with routes');
