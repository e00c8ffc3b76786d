import { capital } from '../core/capital.ts';
import * as z from '../core/schema/zod.ts';
import { environmentKeys, environmentName } from './environment.ts';
import { configSchema } from './schema/index.ts';
import { inspect, shapeOf } from './walk.ts';

/** One line of the reference: a key, its type and bounds, its default, its environment variable, its meaning. */
export interface KeyReference {
  readonly key: string;
  readonly type: string;
  readonly fallback: string;
  readonly environment: string;
  readonly description: string;
}

type Def = z.core.$ZodTypes['_zod']['def'];
const defOf = (schema: z.core.$ZodType): Def => (inspect(schema).core as z.core.$ZodTypes)._zod.def;

/**
 * Every key of the schema, what is below lists and maps included: `routes[].topic`, `sensors.declare.<key>.tags`. A part of the schema that
 * stands at two places is listed at the first.
 */
export function keyReferences(): readonly KeyReference[] {
  const environment = environmentKeys(configSchema);
  const listed: Listed = new Map();
  return Object.entries(configSchema.shape).flatMap(([key, schema]) =>
    rows(schema, key, listed).map(({ key: name, schema: leaf, sameAs, values }) => ({
      key: name,
      type: values?.map(typeOf).join(', ') ?? typeOf(leaf),
      fallback: fallbackOf(leaf),
      environment: environment.has(environmentName(name.split('.'))) ? environmentName(name.split('.')) : '',
      description:
        values?.map((value) => `${typeOf(value)}: ${descriptionOf(value)}`).join('; ') ??
        `${descriptionOf(leaf)}${sameAs === undefined ? '' : `; each has the keys of ${sameAs}`}`,
    })),
  );
}

const descriptionOf = (schema: z.core.$ZodType) =>
  (inspect(schema).description ?? '').replace(/; an? \w+, such as .*$/, '');

interface Row {
  readonly key: string;
  readonly schema: z.core.$ZodType;
  /** Where what is below it is listed already. */
  readonly sameAs?: string | undefined;
  /** For a union: the value that identifies each option. */
  readonly values?: readonly z.core.$ZodType[];
}

/** Parts with an identity of their own, and the key at which they are listed. */
type Listed = Map<z.core.$ZodType, string>;

function rows(schema: z.core.$ZodType, key: string, listed: Listed): Row[] {
  const shape = shapeOf(schema);
  if (shape !== undefined)
    return Object.entries(shape).flatMap(([name, child]) => rows(child, `${key}.${name}`, listed));
  const def = defOf(schema);
  const element = def.type === 'array' ? def.element : undefined;
  const sameAs = element === undefined ? undefined : listed.get(element);
  if (sameAs !== undefined) return [{ key, schema, sameAs }];
  if (element !== undefined && hasIdentity(element)) listed.set(element, `${key}[]`);
  return [{ key, schema }, ...joined(nestedRows(def, key, listed))];
}

/** One row for each key; the values of a key that each option has another one of stand together. */
function joined(nested: readonly Row[]): Row[] {
  const byKey = new Map<string, Row>();
  for (const row of nested) {
    const { values = [], ...before } = byKey.get(row.key) ?? {};
    const isValue = defOf(row.schema).type === 'literal';
    byKey.set(
      row.key,
      isValue ? { ...before, ...row, values: [...values, ...(row.values ?? [row.schema])] } : row,
    );
  }
  return [...byKey.values()].map(({ values, ...row }) =>
    values === undefined || values.length === 1 ? row : { ...row, values },
  );
}

function nestedRows(def: Def, key: string, listed: Listed): Row[] {
  if (def.type === 'array') return withoutItself(def.element, `${key}[]`, listed);
  if (def.type === 'record') return withoutItself(def.valueType, `${key}.<key>`, listed);
  if (def.type === 'union') return def.options.flatMap((option) => withoutItself(option, key, listed));
  return [];
}

const hasIdentity = (schema: z.core.$ZodType) => z.globalRegistry.get(schema)?.id !== undefined;

/** A schema that refers to itself is listed once. */
const withoutItself = (schema: z.core.$ZodType, key: string, listed: Listed) =>
  isLazy(schema) ? [] : rows(schema, key, listed).filter((row) => row.key !== key);

const isLazy = (schema: z.core.$ZodType) => (schema as z.core.$ZodTypes)._zod.def.type === 'lazy';

interface JsonType {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly anyOf?: readonly JsonType[];
  readonly items?: JsonType;
  readonly prefixItems?: readonly JsonType[];
  readonly properties?: unknown;
}

function typeOf(schema: z.core.$ZodType): string {
  const { form, secret } = inspect(schema);
  if (form !== undefined) return /\w+(?=,)/.exec(form)?.[0] ?? 'text';
  if (secret) return 'secret text';
  const json = z.toJSONSchema(schema as z.ZodType, { io: 'input', unrepresentable: 'any' }) as JsonType;
  return typeText(json);
}

function typeText(json: JsonType): string {
  if (json.enum !== undefined) return json.enum.map((value) => `\`${String(value)}\``).join(', ');
  if (json.const !== undefined) return `\`${JSON.stringify(json.const)}\``;
  if (json.anyOf !== undefined) return [...new Set(json.anyOf.map(typeText))].join(' or ');
  if (json.prefixItems !== undefined) return `[${json.prefixItems.map(typeText).join(', ')}]`;
  if (json.type === 'object' && json.properties === undefined) return 'map';
  if (json.type === 'null') return '`null`';
  if (json.type === 'array') return `list of ${typeText(json.items ?? {})}`;
  if (json.type === 'integer' || json.type === 'number') return `${numberName(json.type)}${bounds(json)}`;
  const names: Readonly<Record<string, string>> = {
    string: 'text',
    boolean: 'true, false',
    object: 'section',
  };
  return names[json.type ?? ''] ?? 'any';
}

const numberName = (type: string) => (type === 'integer' ? 'whole number' : 'number');

function bounds({ minimum, maximum }: JsonType): string {
  const low = minimum === undefined || minimum === Number.MIN_SAFE_INTEGER ? undefined : minimum;
  const high = maximum === undefined || maximum === Number.MAX_SAFE_INTEGER ? undefined : maximum;
  if (low === undefined && high === undefined) return '';
  return `, ${low ?? ''}${low === undefined ? 'up to ' : ' to '}${high ?? '…'}`;
}

function fallbackOf(schema: z.core.$ZodType): string {
  const { fallback } = inspect(schema);
  return fallback === undefined
    ? ''
    : `\`${typeof fallback === 'string' ? fallback : JSON.stringify(fallback)}\``;
}

/** The tables of docs/configuration.md, one per section, between its markers. */
export function referenceTables(): string {
  const keys = keyReferences();
  const sections = Object.keys(configSchema.shape);
  const of = (section: string) => keys.filter(({ key }) => key.split(/[.[]/)[0] === section);
  return sections.map((section) => table(section, of(section))).join('\n');
}

function table(section: string, keys: readonly KeyReference[]): string {
  const description =
    inspect(configSchema.shape[section as keyof typeof configSchema.shape]).description ?? '';
  const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
  const lines = keys.map(({ key, type, fallback, environment, description: meaning }) => {
    const variable = environment === '' ? '' : `<br>\`${environment}\``;
    return `| \`${key}\`${variable} | ${cell(type)} | ${cell(fallback)} | ${cell(meaning)} |`;
  });
  const intro = description === '' ? '' : `${capital(description)}.\n\n`;
  const head = '| key | type | default | meaning |\n| --- | --- | --- | --- |';
  return `### ${section}\n\n${intro}${head}\n${lines.join('\n')}\n`;
}
