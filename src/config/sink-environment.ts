import type * as z from '../core/schema/zod.ts';
import type { Environment } from './environment.ts';
import type { ConfigFault, ConfigPath } from './fault.ts';
import type { Origins } from './origins.ts';
import { type PlainObject, isPlainObject, leaves, variantOf } from './walk.ts';

export const SINK_PREFIX = 'FIELDWATCH_NOTIFY_';

/**
 * `FIELDWATCH_NOTIFY_<NAME>_<KEY>` gives the sink of that name its secret: a list has no paths that a variable could
 * name. Only secrets, and the files that hold them.
 */
export function overlaySinkSecrets(
  root: z.core.$ZodType,
  tree: PlainObject,
  env: Environment,
  origins: Origins,
): readonly ConfigFault[] {
  const targets = secretTargets(root, tree);
  return Object.entries(env).flatMap(([name, value]) => {
    if (!name.startsWith(SINK_PREFIX) || value === undefined || value === '') return [];
    const target = targets.get(name);
    if (target === undefined) {
      const message = `unknown variable: expected ${SINK_PREFIX}<NAME>_… of a sink in notify and of one of its secrets`;
      return [{ file: `environment: ${name}`, line: null, column: null, path: '', message }];
    }
    const { sink, key, path } = target;
    sink[key] = value;
    // What the environment gives replaces what the file gives, in either form.
    Reflect.deleteProperty(sink, key.endsWith('_file') ? key.replace(/_file$/, '') : `${key}_file`);
    origins.set(path, { kind: 'environment', name });
    return [];
  });
}

interface Target {
  readonly sink: PlainObject;
  readonly key: string;
  readonly path: ConfigPath;
}

function secretTargets(root: z.core.$ZodType, tree: PlainObject): ReadonlyMap<string, Target> {
  const list = leaves(root).find(({ path }) => path.join('.') === 'notify')?.schema;
  const { notify } = tree;
  const [given, place] = isPlainObject(notify) ? [notify.sinks, ['notify', 'sinks']] : [notify, ['notify']];
  const sinks: readonly unknown[] = Array.isArray(given) ? given : [];
  const targets = new Map<string, Target>();
  sinks.forEach((sink, index) => {
    const schema = list === undefined ? undefined : variantOf(list, sink);
    if (schema === undefined || !isPlainObject(sink) || typeof sink.name !== 'string') return;
    for (const leaf of leaves(schema)) {
      const key = leaf.path.join('_');
      if (leaf.path.length > 1 || !(leaf.secret || leaf.readsFile)) continue;
      const variable = `${SINK_PREFIX}${sink.name}_${key}`.toUpperCase().replace(/[^A-Z0-9]/g, '_');
      targets.set(variable, { sink, key, path: [...place, index, key] });
    }
  });
  return targets;
}
