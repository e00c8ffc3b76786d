import type * as z from '../core/schema/zod.ts';
import { type ReadFile } from '../lib/secret-file.ts';
import { type YamlTree, readYaml } from './document.ts';
import type { EnvironmentValue } from './environment.ts';
import type { ConfigFault, ConfigPath } from './fault.ts';
import { resolveBeside, unreadable } from './files.ts';
import { type Origin, Origins } from './origins.ts';
import { type PlainObject, isPlainObject, leaves } from './walk.ts';

/** Lays values over the tree: the environment over the file, the command line over both. */
export function overlay(
  root: z.core.$ZodType,
  tree: PlainObject,
  values: readonly EnvironmentValue[],
  origins: Origins,
): void {
  for (const { path, value, name } of values)
    put(
      root,
      tree,
      path,
      value,
      origins,
      name === '' ? { kind: 'command line' } : { kind: 'environment', name },
    );
}

function put(
  root: z.core.$ZodType,
  tree: PlainObject,
  path: readonly string[],
  value: unknown,
  origins: Origins,
  origin: Origin,
): void {
  let parent = tree;
  for (const key of path.slice(0, -1)) {
    if (!isPlainObject(parent[key])) parent[key] = Object.create(null);
    parent = parent[key] as PlainObject;
  }
  const key = path.at(-1) ?? '';
  parent[key] = value;
  origins.set(path, origin);
  // A password given here replaces a password_file given further down, and the other way round.
  const other = key.endsWith('_file') ? key.replace(/_file$/, '') : `${key}_file`;
  const rivals = leaves(root).filter(
    (leaf) => leaf.path.slice(0, -1).join('\n') === path.slice(0, -1).join('\n'),
  );
  const paired = rivals.some((leaf) => leaf.secret && [key, other].includes(leaf.path.at(-1) ?? ''));
  const from = origins.get([...path.slice(0, -1), other]);
  if (paired && from !== undefined && from.kind !== origin.kind) delete parent[other];
}

/** The leaves of a partial tree as values to lay over: command-line flags come as such a tree. */
export function flatten(tree: PlainObject, path: readonly string[] = []): EnvironmentValue[] {
  return Object.entries(tree).flatMap(([key, value]) => {
    if (value === undefined) return [];
    const here = [...path, key];
    return isPlainObject(value) ? flatten(value, here) : [{ name: '', path: here, value }];
  });
}

/** Puts the rules of `alerts_file` where `alerts` is expected. The file may start with `alerts:` or go without. */
export function includeAlerts(
  tree: PlainObject,
  origins: Origins,
  read: ReadFile,
  note: (file: string, parsed: YamlTree) => void,
): readonly ConfigFault[] {
  const path: ConfigPath = ['alerts_file'];
  const given = tree.alerts_file;
  if (typeof given !== 'string') return [];
  if (tree.alerts !== undefined && tree.alerts !== null)
    return [origins.fault(path, 'stands beside alerts: give the rules in one of the two', 'key')];
  const file = resolveBeside(given, origins.get(path));
  tree.alerts_file = file;
  let text: string;
  try {
    text = read(file);
  } catch (error) {
    return [origins.fault(path, unreadable(file, error))];
  }
  const own = new Origins(file);
  const wrapped = readYaml(text, file, own);
  if (!isPlainObject(wrapped.value) || !Object.hasOwn(wrapped.value, 'alerts')) {
    const bare = readYaml(text, file, origins, ['alerts']);
    note(file, bare);
    tree.alerts = bare.value;
    return bare.faults;
  }
  note(file, wrapped);
  tree.alerts = wrapped.value.alerts;
  origins.adopt(own, ['alerts']);
  const others = Object.keys(wrapped.value).filter((key) => key !== 'alerts');
  return [
    ...wrapped.faults,
    ...others.map((key) => own.fault([key], 'only alerts can stand in an alerts_file', 'key')),
  ];
}
