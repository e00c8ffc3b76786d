import { basename } from 'node:path';
import { Document, type Scalar, isMap, isScalar, isSeq } from 'yaml';
import type { ConfigPath } from './fault.ts';
import type { LoadedConfig } from './load.ts';
import { redact } from './redact.ts';
import { configSchema } from './schema/index.ts';
import { type PlainObject, inspect, isPlainObject, schemasAt } from './walk.ts';

export interface PrintOptions {
  /** One JSON document instead of commented YAML. */
  readonly json?: boolean | undefined;
  /** Say beside each value where it comes from. */
  readonly sources?: boolean | undefined;
}

/**
 * The effective configuration, in the form in which it would be written: durations as `10s`, defaults filled in,
 * secrets as ***. The YAML can be loaded again (once the secrets are put back).
 */
export function printConfig(loaded: LoadedConfig, options: PrintOptions = {}): string {
  const shown = redact([configSchema], effective(loaded)) as PlainObject;
  if (options.json === true) return JSON.stringify(asJson(loaded, shown, options), undefined, 2);
  const document = new Document(shown, { aliasDuplicateObjects: false });
  document.commentBefore = ` fieldwatch: the effective configuration\n ${usedFile(loaded)}`;
  annotate(document.contents, [], loaded, options.sources === true);
  return document.toString({ lineWidth: 0 }).trimEnd();
}

/** All forms of it at once, for a display that is not a terminal. */
export function shownConfig(loaded: LoadedConfig): {
  readonly file: string | null;
  readonly yaml: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly sources: Readonly<Record<string, string>>;
} {
  const { file, config, sources } = JSON.parse(printConfig(loaded, { json: true, sources: true })) as {
    readonly file: string | null;
    readonly config: Record<string, unknown>;
    readonly sources: Record<string, string>;
  };
  return { file, config, sources, yaml: printConfig(loaded) };
}

/** `/etc/fieldwatch/fieldwatch.yaml (search path)`. */
export function usedFile(loaded: LoadedConfig): string {
  return loaded.located === undefined
    ? 'no file: defaults and environment only'
    : `file: ${loaded.located.file} (${loaded.located.by})`;
}

/** The rules of an alerts_file are printed in place, and then the file's name would be a second source of them. */
function effective(loaded: LoadedConfig): PlainObject {
  const shown = ordered(loaded.tree);
  if (shown.alerts_file !== undefined) delete shown.alerts_file;
  return shown;
}

/** In the order of the schema, which is the order of the documentation. */
function ordered(tree: PlainObject): PlainObject {
  const keys = Object.keys(configSchema.shape).filter((key) => Object.hasOwn(tree, key));
  return Object.fromEntries(keys.map((key) => [key, tree[key]]));
}

function asJson(loaded: LoadedConfig, config: PlainObject, options: PrintOptions): unknown {
  const file = loaded.located?.file ?? null;
  if (options.sources !== true) return { file, config };
  const sources: Record<string, string> = {};
  const visit = (value: unknown, path: readonly string[]): void => {
    if (isPlainObject(value) && Object.keys(value).length > 0)
      for (const [key, child] of Object.entries(value)) visit(child, [...path, key]);
    else sources[path.join('.')] = loaded.origins.describe(path);
  };
  visit(config, []);
  return { file, config, sources };
}

function annotate(node: unknown, path: ConfigPath, loaded: LoadedConfig, sources: boolean): void {
  if (isScalar(node)) {
    if (sources) node.comment = ` ${shortSource(loaded.origins.describe(path))}`;
  } else if (isSeq(node)) {
    node.items.forEach((item, index) => annotate(item, [...path, index], loaded, sources));
  } else if (isMap(node)) {
    for (const { key, value } of node.items) {
      const name = isScalar(key) ? String(key.value) : '';
      if (isScalar(key) && isMap(value)) describeSection(key, [...path, name]);
      if (isScalar(key) && path.length === 0) key.spaceBefore = true;
      annotate(value, [...path, name], loaded, sources);
    }
  }
}

function describeSection(key: Scalar, path: ConfigPath): void {
  const description = schemasAt(configSchema, path).map((schema) => inspect(schema).description)[0];
  if (description !== undefined) key.commentBefore = ` ${description}`;
}

/** The folder of the file stands at the top; beside each value its name is enough. */
const shortSource = (source: string) => (source.includes('/') ? basename(source) : source);
