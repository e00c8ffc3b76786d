import * as z from '../../core/schema/zod.ts';
import { SINKS } from '../../sinks/index.ts';

type Schema = (typeof SINKS)[keyof typeof SINKS]['schema'];

const sink = z
  .discriminatedUnion('kind', Object.values(SINKS).map(({ schema }) => schema) as [Schema, ...Schema[]], {
    error: (issue) =>
      issue.code === 'invalid_union' ? `kind is not one of ${Object.keys(SINKS).join(', ')}` : undefined,
  })
  .describe('where notifications go');

export const notifySchema = z
  .array(sink)
  .max(50)
  .superRefine((sinks, context) => {
    sinks.forEach(({ name }, index) => {
      if (sinks.findIndex((other) => other.name === name) < index)
        context.addIssue({
          code: 'custom',
          path: [index, 'name'],
          message: `"${name}" is taken by another sink`,
        });
    });
  })
  .default([])
  .describe('where notifications go besides the log');
