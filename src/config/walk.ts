import { formatDuration } from '../core/duration.ts';
import { isDurationText } from '../core/schema/common.ts';
import * as z from '../core/schema/zod.ts';

/**
 * Reads the schema itself: what is below a path, which keys are scalars, what their defaults are. The environment
 * names, the documentation, the printing and the suggestions all follow from here.
 */
export interface SchemaNode {
  /** The schema without its wrappers (optional, default, pipe …). */
  readonly core: z.core.$ZodType;
  readonly description: string | undefined;
  /** How the value is written, where a plain "text" would not say: `a duration, such as 10s`. */
  readonly form: string | undefined;
  /** Default as written in YAML; undefined without a default, or if YAML cannot express it. */
  readonly fallback: unknown;
  readonly secret: boolean;
  readonly readsFile: boolean;
}

export type PlainObject = Record<string, unknown>;

export const isPlainObject = (value: unknown): value is PlainObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** How the texts that mean something else describe their form (core/schema/common.ts, config/schema/policies.ts). */
const WRITTEN = /(duration|size|interval), such as .*$/;

const inspected = new WeakMap<z.core.$ZodType, SchemaNode>();

/** The unwrapped schema, cached: callers ask for its shape, its default and its kind. */
export function inspect(schema: z.core.$ZodType): SchemaNode {
  let node = inspected.get(schema);
  if (node === undefined) inspected.set(schema, (node = unwrap(schema)));
  return node;
}

function unwrap(schema: z.core.$ZodType): SchemaNode {
  let core = schema;
  let fallback: unknown;
  let meta: Record<string, unknown> = {};
  for (;;) {
    meta = { ...z.globalRegistry.get(core), ...meta };
    const def = (core as z.core.$ZodTypes)._zod.def;
    if (def.type === 'default' || def.type === 'prefault') {
      // A default stands for the parsed value: behind a transform (a duration in ms) it is no YAML.
      const writable = def.type === 'prefault' || !transforms(def.innerType);
      if (fallback === undefined && writable) fallback = def.defaultValue;
      core = def.innerType;
    } else if (def.type === 'optional' || def.type === 'nullable' || def.type === 'readonly') {
      core = def.innerType;
    } else if (def.type === 'lazy') {
      core = def.getter();
    } else if (def.type === 'pipe') {
      core = isTransform(def.in) ? def.out : def.in;
    } else {
      break;
    }
  }
  const description = typeof meta.description === 'string' ? meta.description : undefined;
  const written = WRITTEN.exec(z.globalRegistry.get(core)?.description ?? '');
  const form = written === null ? undefined : `${written[1] === 'interval' ? 'an' : 'a'} ${written[0]}`;
  return {
    core,
    description,
    form,
    fallback,
    secret: meta.writeOnly === true,
    readsFile: meta.readsFile === true,
  };
}

const isTransform = (schema: z.core.$ZodType) => (schema as z.core.$ZodTypes)._zod.def.type === 'transform';

function transforms(schema: z.core.$ZodType): boolean {
  const def = (schema as z.core.$ZodTypes)._zod.def;
  if (def.type === 'pipe') return true;
  return 'innerType' in def && transforms(def.innerType);
}

/** Keys of a strict object; undefined for anything else. */
export function shapeOf(schema: z.core.$ZodType): Readonly<Record<string, z.core.$ZodType>> | undefined {
  const def = (inspect(schema).core as z.core.$ZodTypes)._zod.def;
  return def.type === 'object' ? def.shape : undefined;
}

/** Whether an absent value means "nothing here" rather than a missing text or number: an emptied-out section. */
export function isContainer(schema: z.core.$ZodType): boolean {
  const def = (inspect(schema).core as z.core.$ZodTypes)._zod.def;
  return def.type === 'union'
    ? def.options.every(isContainer)
    : ['object', 'array', 'record'].includes(def.type);
}

/** The schemas that may stand one step below: several behind a union. */
export function below(schema: z.core.$ZodType, key: string | number): readonly z.core.$ZodType[] {
  const def = (inspect(schema).core as z.core.$ZodTypes)._zod.def;
  if (def.type === 'object') {
    const found = Object.hasOwn(def.shape, key) ? def.shape[key] : undefined;
    return found === undefined ? [] : [found];
  }
  if (def.type === 'array') return [def.element];
  if (def.type === 'record') return [def.valueType];
  if (def.type === 'union') return def.options.flatMap((option) => below(option, key));
  return def.type === 'intersection' ? [...below(def.left, key), ...below(def.right, key)] : [];
}

export function schemasAt(
  root: z.core.$ZodType,
  path: readonly (string | number)[],
): readonly z.core.$ZodType[] {
  return path.reduce<readonly z.core.$ZodType[]>(
    (schemas, key) => schemas.flatMap((schema) => below(schema, key)),
    [root],
  );
}

/** The keys that are known at a path, of every alternative. */
export function knownKeys(root: z.core.$ZodType, path: readonly (string | number)[]): readonly string[] {
  const keys = (schema: z.core.$ZodType): string[] => {
    const def = (inspect(schema).core as z.core.$ZodTypes)._zod.def;
    if (def.type === 'object') return Object.keys(def.shape);
    if (def.type === 'intersection') return [...keys(def.left), ...keys(def.right)];
    return def.type === 'union' ? def.options.flatMap(keys) : [];
  };
  return [...new Set(schemasAt(root, path).flatMap(keys))];
}

/** The section that an element of a list is, by its kind; undefined where the list has no kinds, or not this one. */
export function variantOf(list: z.core.$ZodType, element: unknown): z.core.$ZodType | undefined {
  const def = (inspect(list).core as z.core.$ZodTypes)._zod.def;
  if (def.type === 'union') return firstOf(def.options, (option) => variantOf(option, element));
  if (def.type !== 'array' || !isPlainObject(element)) return undefined;
  const union = (inspect(def.element).core as z.core.$ZodTypes)._zod.def;
  if (union.type !== 'union' || !('discriminator' in union)) return undefined;
  const key = String(union.discriminator);
  return union.options.find((option) => {
    const tag = shapeOf(option)?.[key];
    const tagged = tag === undefined ? undefined : (inspect(tag).core as z.core.$ZodTypes)._zod.def;
    return tagged?.type === 'literal' && tagged.values.includes(element[key] as string);
  });
}

function firstOf<Item, Found>(
  items: readonly Item[],
  find: (item: Item) => Found | undefined,
): Found | undefined {
  for (const item of items) {
    const found = find(item);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The alternative of a union that a list or a section is; any other schema is itself. */
export function alternativeFor(schema: z.core.$ZodType, value: unknown): z.core.$ZodType {
  const def = (inspect(schema).core as z.core.$ZodTypes)._zod.def;
  if (def.type !== 'union') return schema;
  const wanted = Array.isArray(value) ? 'array' : isPlainObject(value) ? 'object' : undefined;
  const fits = (option: z.core.$ZodType) =>
    (inspect(option).core as z.core.$ZodTypes)._zod.def.type === wanted;
  return def.options.find(fits) ?? schema;
}

/** A parsed value as it would be written: its durations as `10m`, at any depth. */
export function asWritten(schema: z.core.$ZodType, value: unknown): unknown {
  if (typeof value === 'number') return isDurationText(inspect(schema).core) ? formatDuration(value) : value;
  const written = (key: string | number, each: unknown) => {
    const [schemaOfKey] = below(schema, key);
    return schemaOfKey === undefined ? each : asWritten(schemaOfKey, each);
  };
  if (Array.isArray(value)) return value.map((each, at) => written(at, each));
  if (!isPlainObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, written(key, each)]));
}

export interface Leaf extends SchemaNode {
  readonly path: readonly string[];
  readonly schema: z.core.$ZodType;
}

/** Every key that is no section, in the order of the schema; what is below lists and maps is not listed. */
export function leaves(schema: z.core.$ZodType, path: readonly string[] = []): readonly Leaf[] {
  const shape = shapeOf(schema);
  if (shape === undefined) return [{ ...inspect(schema), path, schema }];
  return Object.entries(shape).flatMap(([key, child]) => leaves(child, [...path, key]));
}

/** The tree with every default filled in that can be written in YAML; unknown keys stay, to be reported. */
export function withDefaults(schema: z.core.$ZodType, tree: unknown): unknown {
  const node = inspect(schema);
  const shape = shapeOf(schema);
  if (tree === undefined || (tree === null && isContainer(schema) && node.fallback !== undefined)) {
    if (node.fallback === undefined) return tree;
    return shape === undefined ? node.fallback : withDefaults(schema, node.fallback);
  }
  if (shape === undefined || !isPlainObject(tree)) return tree;
  const filled = Object.create(null) as PlainObject;
  for (const [key, child] of Object.entries(shape)) {
    const value = withDefaults(child, tree[key]);
    if (value !== undefined) filled[key] = value;
  }
  for (const key of Object.keys(tree)) if (!Object.hasOwn(filled, key)) filled[key] = tree[key];
  return filled;
}
