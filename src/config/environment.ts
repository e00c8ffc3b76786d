import type * as z from '../core/schema/zod.ts';
import { type ConfigFault, formatPath } from './fault.ts';
import { hint } from '../core/did-you-mean.ts';
import { type Leaf, inspect, leaves } from './walk.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

const PREFIX = 'FIELDWATCH_';
/** Names that are no keys: where the file is, and what the tests look at. */
const OTHERS = ['FIELDWATCH_CONFIG'];
const isForTests = (name: string) => name.startsWith('FIELDWATCH_TEST_');

/**
 * Variables that Kubernetes puts into every container for a Service called fieldwatch or fieldwatch-…
 * (`FIELDWATCH_PORT=tcp://10.0.0.7:9464`, also under names that are keys: `FIELDWATCH_HTTP_PORT`). No setting of ours has
 * such a value.
 */
const SERVICE_LINKS: readonly (readonly [name: RegExp, value: RegExp])[] = [
  [/_SERVICE_HOST$/, /^[\da-f.:]+$/i],
  [/_SERVICE_PORT(_[A-Z0-9_]+)?$/, /^\d+$/],
  [/_PORT(_\d+_(TCP|UDP|SCTP))?$/, /^(tcp|udp|sctp):\/\//],
  [/_PORT_\d+_(TCP|UDP|SCTP)_PROTO$/, /^(tcp|udp|sctp)$/],
  [/_PORT_\d+_(TCP|UDP|SCTP)_PORT$/, /^\d+$/],
  [/_PORT_\d+_(TCP|UDP|SCTP)_ADDR$/, /^[\da-f.:]+$/i],
];

/** The environment without what Kubernetes adds to it for its Services. */
export function withoutServiceLinks(env: Environment): Environment {
  const isLink = (name: string, value: string) =>
    name.startsWith(PREFIX) &&
    SERVICE_LINKS.some(([names, values]) => names.test(name) && values.test(value));
  return Object.fromEntries(Object.entries(env).filter(([name, value]) => !isLink(name, value ?? '')));
}

/** `['mqtt', 'tls', 'ca_file']` -> `FIELDWATCH_MQTT_TLS_CA_FILE`. */
export function environmentName(path: readonly string[]): string {
  return PREFIX + path.join('_').toUpperCase();
}

/** The keys that an environment variable can set: scalars and lists of texts. */
export function environmentKeys(root: z.core.$ZodType): ReadonlyMap<string, Leaf> {
  return new Map(
    leaves(root)
      .filter((leaf) => scalarKind(leaf.schema) !== undefined)
      .map((leaf) => [environmentName(leaf.path), leaf]),
  );
}

export interface EnvironmentValue {
  readonly name: string;
  readonly path: readonly string[];
  readonly value: unknown;
}

export interface EnvironmentLayer {
  readonly values: readonly EnvironmentValue[];
  readonly faults: readonly ConfigFault[];
}

/** Reads FIELDWATCH_…; a name that no key has is a fault, since a typo would silently do nothing. Empty is unset. */
export function readEnvironment(root: z.core.$ZodType, env: Environment): EnvironmentLayer {
  let keys: ReadonlyMap<string, Leaf> | undefined;
  const values: EnvironmentValue[] = [];
  const faults: ConfigFault[] = [];
  for (const [name, given] of Object.entries(env).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (!name.startsWith(PREFIX) || OTHERS.includes(name) || isForTests(name)) continue;
    // The secrets of the sinks: sink-environment.ts
    if (name.startsWith(`${PREFIX}NOTIFY_`)) continue;
    if (given === undefined || given === '') continue;
    keys ??= environmentKeys(root);
    const leaf = keys.get(name);
    const fault = (path: string, message: string) =>
      faults.push({ file: `environment: ${name}`, line: null, column: null, path, message });
    if (leaf === undefined) {
      fault('', `unknown variable${hint(name, [...keys.keys(), ...OTHERS])}`);
      continue;
    }
    const value = typed(leaf.schema, given);
    if (value === undefined) fault(formatPath(leaf.path), `expected ${expectation(leaf.schema)}`);
    else values.push({ name, path: leaf.path, value });
  }
  return { values, faults };
}

type ScalarKind = 'text' | 'number' | 'boolean' | 'list';

/** Type that an environment text is read as; undefined for sections, maps and lists of sections. */
function scalarKind(schema: z.core.$ZodType): ScalarKind | undefined {
  const def = (inspect(schema).core as z.core.$ZodTypes)._zod.def;
  if (def.type === 'number' || def.type === 'boolean') return def.type;
  if (def.type === 'string' || def.type === 'enum' || def.type === 'template_literal') return 'text';
  if (def.type === 'literal') return typeof def.values[0] === 'number' ? 'number' : 'text';
  if (def.type === 'array') {
    const element = scalarKind(def.element);
    return element === 'text' || element === 'number' ? 'list' : undefined;
  }
  if (def.type !== 'union') return undefined;
  const kinds = def.options.map(scalarKind);
  if (kinds.some((kind) => kind === undefined)) return undefined;
  return kinds.includes('text') ? 'text' : kinds[0];
}

function typed(schema: z.core.$ZodType, text: string): unknown {
  switch (scalarKind(schema)) {
    case 'number':
      return text.trim() === '' || Number.isNaN(Number(text)) ? undefined : Number(text);
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : undefined;
    case 'list':
      return list(schema, text);
    case 'text':
    case undefined:
      return text;
  }
}

function list(schema: z.core.$ZodType, text: string): unknown {
  const def = (inspect(schema).core as z.core.$ZodTypes)._zod.def;
  const items = text.split(',').map((item) => item.trim());
  const values = items.map((item) => (def.type === 'array' ? typed(def.element, item) : item));
  return values.includes(undefined) ? undefined : values;
}

function expectation(schema: z.core.$ZodType): string {
  const kind = scalarKind(schema);
  if (kind === 'boolean') return 'true or false';
  return kind === 'list' ? 'a list separated by commas' : 'a number';
}
