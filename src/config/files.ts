import { dirname, isAbsolute, resolve } from 'node:path';
import type * as z from '../core/schema/zod.ts';
import { BOM_FAULT, BYTE_ORDER_MARK, type ReadFile, withoutNewline } from '../lib/secret-file.ts';
import type { ConfigPath } from './fault.ts';
import { valueAt } from './issues.ts';
import type { Origin, Origins } from './origins.ts';
import { type PlainObject, alternativeFor, inspect, isPlainObject, shapeOf, variantOf } from './walk.ts';

const MAX_SECRET = 64 * 1024;

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EISDIR: 'it is a folder',
  ENOTDIR: 'no such file',
};

/** `cannot read <path>: no such file`. */
export function unreadable(path: string, error: unknown): string {
  const code = isPlainObject(error) && typeof error.code === 'string' ? error.code : 'unknown error';
  return `cannot read ${path}: ${REASONS[code] ?? code}`;
}

/**
 * Files that a configuration names lie beside it, wherever the daemon was started; one that the environment or the
 * command line names is relative to the working directory, as everywhere in a shell.
 */
export function resolveBeside(path: string, origin: Origin | undefined): string {
  if (isAbsolute(path) || origin?.kind !== 'file') return resolve(path);
  return resolve(dirname(origin.file), path);
}

export interface FileReport {
  fault(path: ConfigPath, message: string): void;
}

/** Resolves the paths of files that are read at start, reads the secrets among them, reports what cannot be read. */
export function readNamedFiles(
  root: z.core.$ZodType,
  tree: PlainObject,
  origins: Origins,
  read: ReadFile,
  report: FileReport,
): void {
  for (const { path, siblings } of namedFiles(root, tree)) {
    const given = valueAt(tree, path);
    const parent = valueAt(tree, path.slice(0, -1));
    if (typeof given !== 'string' || !isPlainObject(parent)) continue;
    const file = resolveBeside(given, origins.get(path));
    const key = String(path.at(-1));
    parent[key] = file;
    const secret = key.replace(/_file$/, '');
    try {
      const content = read(file);
      if (siblings.has(secret))
        takeSecret(content, path, [...path.slice(0, -1), secret], parent, origins, report);
    } catch (error) {
      report.fault(path, unreadable(file, error));
    }
  }
}

interface NamedFile {
  readonly path: ConfigPath;
  /** The secrets of the same section. */
  readonly siblings: ReadonlySet<string>;
}

/** Where files are named: in the sections, and in the elements of lists whose kind says which section they are. */
function namedFiles(schema: z.core.$ZodType, value: unknown, path: ConfigPath = []): NamedFile[] {
  const shape = shapeOf(schema);
  if (shape === undefined || !isPlainObject(value)) return [];
  return Object.keys(value).flatMap((key) => {
    const given = Object.hasOwn(shape, key) ? shape[key] : undefined;
    if (given === undefined) return [];
    const [found, here] = [value[key], [...path, key]];
    const child = alternativeFor(given, found);
    if (shapeOf(child) !== undefined) return namedFiles(child, found, here);
    if (Array.isArray(found))
      return found.flatMap((element: unknown, index) => {
        const chosen = variantOf(child, element);
        return chosen === undefined ? [] : namedFiles(chosen, element, [...here, index]);
      });
    if (!inspect(child).readsFile || here[0] === 'alerts_file') return [];
    const secrets = Object.entries(shape).filter(([, sibling]) => inspect(sibling).secret);
    return [{ path: here, siblings: new Set(secrets.map(([name]) => name)) }];
  });
}

function takeSecret(
  content: string,
  filePath: ConfigPath,
  secretPath: ConfigPath,
  parent: PlainObject,
  origins: Origins,
  report: FileReport,
): void {
  const key = String(secretPath.at(-1));
  const secret = withoutNewline(content);
  if (parent[key] !== undefined) report.fault(filePath, `stands beside ${key}: give one of the two`);
  else if (secret.startsWith(BYTE_ORDER_MARK)) report.fault(filePath, BOM_FAULT);
  else if (secret === '') report.fault(filePath, 'the file is empty');
  else if (secret.length > MAX_SECRET) report.fault(filePath, 'the file is too long for a secret');
  else {
    parent[key] = secret;
    const origin = origins.get(filePath);
    if (origin !== undefined) origins.set(secretPath, origin);
  }
}
