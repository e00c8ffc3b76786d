import * as z from '../core/schema/zod.ts';
import { configSchema } from './schema/index.ts';

/** The schema that editors use (yaml-language-server); config/fieldwatch.schema.json is this, written out. */
export function jsonSchema(): unknown {
  return {
    ...z.toJSONSchema(configSchema, {
      io: 'input',
      unrepresentable: 'any',
      override: ({ jsonSchema: node }) => {
        delete node.readsFile;
        const { type } = node as { type?: unknown };
        // A section whose keys are all commented out is null in YAML, and fine.
        if ((type === 'object' || type === 'array') && Object.hasOwn(node, 'default'))
          node.type = [type, 'null'];
        if (Object.hasOwn(node, 'default') && node.anyOf?.every(isContainer) === true)
          node.anyOf = [...node.anyOf, { type: 'null' }];
      },
    }),
    title: 'fieldwatch configuration',
  };
}

const isContainer = (node: z.core.JSONSchema._JSONSchema): boolean =>
  typeof node === 'object' && (node.type === 'object' || node.type === 'array');
