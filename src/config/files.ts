import { readFileSync } from 'node:fs';
import { dirname, isAbsolute, resolve } from 'node:path';
import type { z } from 'zod';
import type { ConfigPath } from './fault.ts';
import { valueAt } from './issues.ts';
import type { Origin, Origins } from './origins.ts';
import { isPlainObject, leaves, type PlainObject } from './walk.ts';

export type ReadFile = (path: string) => string;

export const readTextFile: ReadFile = (path) => readFileSync(path, 'utf8');

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
  for (const leaf of leaves(root)) {
    const given = valueAt(tree, leaf.path);
    if (!leaf.readsFile || leaf.path[0] === 'alerts_file' || typeof given !== 'string') continue;
    const file = resolveBeside(given, origins.get(leaf.path));
    const parent = valueAt(tree, leaf.path.slice(0, -1));
    const key = leaf.path.at(-1) ?? '';
    if (!isPlainObject(parent)) continue;
    parent[key] = file;
    const secretPath = secretOf(root, leaf.path);
    try {
      const content = read(file);
      if (secretPath !== undefined) takeSecret(content, leaf.path, secretPath, parent, origins, report);
    } catch (error) {
      report.fault(leaf.path, unreadable(file, error));
    }
  }
}

/** `…/password_file` -> `…/password`, where that is a secret of the schema. */
function secretOf(root: z.core.$ZodType, path: readonly string[]): readonly string[] | undefined {
  const key = path.at(-1)?.replace(/_file$/, '') ?? '';
  const wanted = [...path.slice(0, -1), key].join('\n');
  return leaves(root).find((leaf) => leaf.secret && leaf.path.join('\n') === wanted)?.path;
}

function takeSecret(
  content: string,
  filePath: readonly string[],
  secretPath: readonly string[],
  parent: PlainObject,
  origins: Origins,
  report: FileReport,
): void {
  const key = secretPath.at(-1) ?? '';
  const secret = withoutNewline(content);
  if (parent[key] !== undefined) report.fault(filePath, `stands beside ${key}: give one of the two`);
  else if (secret === '') report.fault(filePath, 'the file is empty');
  else if (secret.length > MAX_SECRET) report.fault(filePath, 'the file is too long for a secret');
  else {
    parent[key] = secret;
    const origin = origins.get(filePath);
    if (origin !== undefined) origins.set(secretPath, origin);
  }
}

/**
 * The secret as it is now: a password_file is read again, so that a rotated password needs no restart. For adapters
 * that ask at each connect; throws what the file system throws.
 */
export function currentSecret(
  section: { readonly password?: string | undefined; readonly password_file?: string | undefined },
  read: ReadFile = readTextFile,
): string | undefined {
  return section.password_file === undefined ? section.password : withoutNewline(read(section.password_file));
}

const withoutNewline = (content: string) => content.replace(/\r?\n$/, '');
