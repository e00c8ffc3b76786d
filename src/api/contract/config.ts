import * as z from '../../core/schema/zod.ts';
import { text, time } from './fields.ts';

export const configSchema = z
  .object({
    file: z.string().nullable().describe('the file it was read from; null: defaults and environment only'),
    loadedAt: time('when it was read last'),
    yaml: text('the configuration in effect as YAML; secrets are ***'),
    config: z.record(z.string(), z.unknown()).describe('the same as an object'),
    sources: z
      .record(z.string(), z.string())
      .describe('where each value comes from, by its path: routes.0.topic'),
  })
  .meta({ id: 'Config', description: 'The configuration in effect, secrets masked' });
export type ConfigInEffect = z.output<typeof configSchema>;
