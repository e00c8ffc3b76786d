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

/** Every key of the schema, what is below lists and maps included: `routes[].topic`, `sensors.declare.<key>.tags`. */
export function keyReferences(): readonly KeyReference[] {
  const environment = environmentKeys(configSchema);
  return Object.entries(configSchema.shape).flatMap(([key, schema]) =>
    rows(schema, key).map(({ key: name, schema: leaf }) => ({
      key: name,
      type: typeOf(leaf),
      fallback: fallbackOf(leaf),
      environment: environment.has(environmentName(name.split('.'))) ? environmentName(name.split('.')) : '',
      description: (inspect(leaf).description ?? '').replace(/; an? \w+, such as .*$/, ''),
    })),
  );
}

interface Row {
  readonly key: string;
  readonly schema: z.core.$ZodType;
}

function rows(schema: z.core.$ZodType, key: string): Row[] {
  const shape = shapeOf(schema);
  if (shape !== undefined)
    return Object.entries(shape).flatMap(([name, child]) => rows(child, `${key}.${name}`));
  const nested = nestedRows(defOf(schema), key);
  const unique = [...new Map(nested.map((row) => [row.key, row])).values()];
  return [{ key, schema }, ...unique];
}

function nestedRows(def: Def, key: string): Row[] {
  if (def.type === 'array') return withoutItself(def.element, `${key}[]`);
  if (def.type === 'record') return withoutItself(def.valueType, `${key}.<key>`);
  if (def.type === 'union') return def.options.flatMap((option) => withoutItself(option, key));
  return [];
}

/** What refers to itself is listed once. */
const withoutItself = (schema: z.core.$ZodType, key: string) =>
  isLazy(schema) ? [] : rows(schema, key).filter((row) => row.key !== key);

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
  const intro = description === '' ? '' : `${description[0]?.toUpperCase()}${description.slice(1)}.\n\n`;
  const head = '| key | type | default | meaning |\n| --- | --- | --- | --- |';
  return `### ${section}\n\n${intro}${head}\n${lines.join('\n')}\n`;
}
