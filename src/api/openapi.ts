import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import { createJsonSchemaTransform, createJsonSchemaTransformObject } from 'fastify-type-provider-zod';
import * as z from '../core/schema/zod.ts';
import { problemSchema } from './contract/problem.ts';
import { PROBLEM_TYPE } from './problem.ts';
import type { AnyResource } from './resource/resource.ts';

type Transform = NonNullable<Parameters<typeof createJsonSchemaTransform>[0]['zodToJsonConfig']>;

/** Left out, as readers of the document know it: the form of a time, and how far numbers reach. */
const zodToJsonConfig: Transform = {
  override: ({ jsonSchema }) => {
    if (jsonSchema.format === 'date-time') delete jsonSchema.pattern;
    if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
    if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
  },
};

const withComponents = createJsonSchemaTransformObject({ zodToJsonConfig });

/** The document follows from the resources; a schema with an `id` is a component of it. */
export const documentOptions = (version: string, basePath: string): FastifyDynamicSwaggerOptions => ({
  openapi: {
    openapi: '3.1.0',
    info: {
      title: 'fieldwatch',
      version,
      description:
        'Sensors, readings, alerts and the daemon itself. Times are ISO 8601 in UTC. A list is `{ items, next }`: `cursor` takes the `next` of the page ' +
        'before. What goes wrong is answered as application/problem+json with a `code`, a `detail` and mostly a `remedy`.',
    },
    // Its paths begin with a slash.
    servers: [{ url: basePath || '/' }],
    components: {
      securitySchemes: {
        [TOKEN]: {
          type: 'http',
          scheme: 'bearer',
          description: 'A token of `http.token_file` of the daemon',
        },
      },
    },
  },
  transform: createJsonSchemaTransform({ zodToJsonConfig }),
  transformObject: (given) => onlyReferenced(withComponents(given)),
});

/** Each component exists as input and as output, and mostly one of the two is used. */
function onlyReferenced<T extends { components?: { schemas?: object }; paths?: object }>(document: T): T {
  const schemas = document.components?.schemas ?? {};
  const used: Record<string, unknown> = {};
  const take = (part: unknown): void => {
    for (const [, name = ''] of JSON.stringify(part).matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      if (Object.hasOwn(used, name) || !Object.hasOwn(schemas, name)) continue;
      used[name] = (schemas as Record<string, unknown>)[name];
      take(used[name]);
    }
  };
  take(document.paths);
  return { ...document, components: { ...document.components, schemas: used } };
}

const TOKEN = 'token';
const SECURITY = { public: [], viewer: [{}, { [TOKEN]: [] }], operator: [{ [TOKEN]: [] }] } as const;
const ROLES = {
  public: undefined,
  viewer: 'Without a token on the machine of the daemon only; elsewhere with the role viewer or operator.',
  operator: 'With the role operator.',
} as const;

/** Schema of a route, for the validation of requests and for the OpenAPI document. */
export function schemaOf(given: AnyResource): Record<string, unknown> {
  const { id, tag, summary, role, params, query, body, answer, status = 200, faults } = given;
  const types = given.contentTypes ?? ['application/json'];
  const content = Object.fromEntries(types.map((type) => [type, { schema: answer ?? z.string() }]));
  const description = [given.description, ROLES[role]].filter((each) => each !== undefined).join(' ');
  const success = status === 204 ? z.null().describe('Done') : { description: 'Success', content };
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description === '' ? {} : { description }),
    security: SECURITY[role],
    // A copy has no id: parameters are listed one by one, and cannot be those of a component.
    ...(params === undefined ? {} : { params: anonymous(params) }),
    ...(query === undefined ? {} : { querystring: anonymous(query) }),
    ...(body === undefined ? {} : { body }),
    response: {
      [status]: success,
      default: {
        description: `A problem${faults === undefined ? '' : `: ${faults.join(', ')}, or any other`}`,
        content: { [PROBLEM_TYPE]: { schema: problemSchema } },
      },
    },
  };
}

const anonymous = (schema: z.ZodType): z.ZodType => schema.clone(schema.def);
