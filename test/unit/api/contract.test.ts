import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { learnRequestSchema } from '../../../src/api/contract/learn.ts';
import * as z from '../../../src/core/schema/zod.ts';

const folder = join(import.meta.dirname, '../../../src/api/contract');
const files = readdirSync(folder).filter((file) => file !== 'fields.ts');

interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, JsonSchema>>;
}

const isSchema = (value: unknown): value is z.ZodType => value instanceof z.ZodType;

/** Every schema that the files of the contract export, by its name. */
const schemas: (readonly [string, z.ZodType])[] = [];
for (const file of files) {
  const module = (await import(join(folder, file))) as Readonly<Record<string, unknown>>;
  for (const [name, value] of Object.entries(module)) {
    if (isSchema(value)) schemas.push([`${file} ${name}`, value]);
    if (name === 'eventSchemas')
      for (const [event, schema] of Object.entries(value as Record<string, z.ZodType>))
        schemas.push([`event ${event}`, schema]);
  }
}

interface Field {
  readonly path: string;
  readonly name: string;
  readonly schema: JsonSchema;
}

/** Every field at any depth, as JSON Schema. */
function fieldsOf(path: string, schema: JsonSchema): Field[] {
  return [
    ...Object.entries(schema.properties ?? {}).flatMap(([name, child]) => [
      { path: `${path}.${name}`, name, schema: child },
      ...fieldsOf(`${path}.${name}`, child),
    ]),
    ...(schema.items === undefined ? [] : fieldsOf(`${path}[]`, schema.items)),
    ...[...(schema.anyOf ?? []), ...(schema.allOf ?? [])].flatMap((each) => fieldsOf(path, each)),
  ];
}

const jsonSchemaOf = (schema: z.ZodType): JsonSchema =>
  z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any', reused: 'inline' }) as JsonSchema;

const fields = schemas.flatMap(([name, schema]) => {
  const json = jsonSchemaOf(schema);
  return [json, ...Object.values(json.$defs ?? {})].flatMap((each) => fieldsOf(name, each));
});

const parts = (schema: JsonSchema): readonly JsonSchema[] => [
  schema,
  ...[...(schema.anyOf ?? []), ...(schema.allOf ?? [])].flatMap(parts),
  ...(schema.items === undefined ? [] : parts(schema.items)),
];

test('every resource of the contract is found', () => {
  expect(schemas.length).toBeGreaterThan(40);
  expect(fields.length).toBeGreaterThan(250);
});

test('names are camelCase', () => {
  expect(fields.filter(({ name }) => !/^[a-z][a-zA-Z0-9]*$/.test(name)).map(({ path }) => path)).toEqual([]);
});

test('every field says what it is', () => {
  const silent = fields.filter(({ schema }) => {
    if (schema.$ref !== undefined) return false;
    return !parts(schema).some(
      ({ description, $ref }) => $ref !== undefined || (description ?? '').length > 1,
    );
  });
  expect(silent.map(({ path }) => path)).toEqual([]);
});

/** The unit, or that it is a plain number. */
const UNIT = /\b(?:seconds|milliseconds|bytes|number|unit of the metric|per second)\b/;
const SUFFIX: Readonly<Record<string, RegExp>> = {
  S: /\bseconds\b/,
  Ms: /\bmilliseconds\b/,
  Bytes: /\bbytes\b/,
};

test('every number says its unit, and its name ends with it where it is a duration or a size', () => {
  const numeric = fields.filter(({ schema }) =>
    parts(schema).some(({ type }) => type === 'number' || type === 'integer'),
  );
  expect(numeric.length).toBeGreaterThan(80);
  const saysNothing = numeric.filter(({ name, schema }) => {
    const said = parts(schema)
      .map(({ description = '' }) => description)
      .join(' ');
    const suffix = /(?:Bytes|Ms|S)$/.exec(name)?.[0];
    return suffix === undefined
      ? !UNIT.test(said) && !/how many|items /.test(said)
      : !SUFFIX[suffix]!.test(said);
  });
  expect(saysNothing.map(({ path }) => path)).toEqual([]);
});

test('schemas with an id have one of their own', () => {
  const ids = schemas.flatMap(([, schema]) => z.globalRegistry.get(schema)?.id ?? []);
  expect(ids.length).toBeGreaterThan(30);
  const distinct = new Map(schemas.map(([, schema]) => [z.globalRegistry.get(schema)?.id, schema]));
  for (const [, schema] of schemas) {
    const id = z.globalRegistry.get(schema)?.id;
    if (id !== undefined) expect(distinct.get(id)).toBe(schema);
  }
});

test.each([
  ['#', true],
  ['a/+/c/#', true],
  ['+', true],
  ['$share/group/a//b', true],
  ['a/#/b', false],
  ['a#', false],
  ['a/b+', false],
  ['a/\u0016', false],
])('learning takes topic filters that a broker takes: %j', (filter, valid) => {
  expect(learnRequestSchema.safeParse({ filters: [filter] }).success).toBe(valid);
});
