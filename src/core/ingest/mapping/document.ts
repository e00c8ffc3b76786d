/**
 * A payload as a codec decodes it: numbers, bigints, strings, booleans, null, arrays and objects. Objects come from
 * `JSON.parse` (own properties only, `__proto__` included) or have no prototype at all: D9.
 */
export type Doc = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is Doc {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An empty object without a prototype: a payload's key can hit nothing but itself (D9). */
export function emptyDoc(): Record<string, unknown> {
  return Object.create(null) as Record<string, unknown>;
}

/** Names that reach a prototype in careless code; dropped wherever they appear (D9). */
export function isForbiddenKey(key: string): boolean {
  return key === '__proto__' || key === 'prototype' || key === 'constructor';
}

/** An RFC 6901 JSON Pointer, compiled. */
export interface Pointer {
  readonly text: string;
  readonly keys: readonly string[];
}

/** Reads a JSON Pointer: "" is the whole document, else "/a/b" with ~1 for a slash and ~0 for a tilde. */
export function parsePointer(text: string): Pointer | undefined {
  if (text === '') return { text, keys: [] };
  if (!text.startsWith('/') || /~(?![01])/.test(text)) return undefined;
  const keys = text
    .slice(1)
    .split('/')
    .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
  return { text, keys };
}

/** For pointers that are known to be well formed: presets' own, and those the schema has checked. */
export function pointer(text: string): Pointer {
  const parsed = parsePointer(text);
  if (parsed === undefined) throw new TypeError(`not a JSON Pointer: ${text}`);
  return parsed;
}

/** The value at `path`, or undefined. Own properties only: `/constructor` finds nothing that was not sent. */
export function lookup(root: unknown, path: Pointer): unknown {
  let node = root;
  for (const key of path.keys) {
    if (typeof node !== 'object' || node === null || !Object.hasOwn(node, key)) return undefined;
    // `length` is an own property of arrays, but no element.
    if (Array.isArray(node) && !/^\d+$/.test(key)) return undefined;
    node = (node as Doc)[key];
  }
  return node;
}

/** `lookup` of a path in text, which is parsed each time. */
export const valueAt = (root: unknown, path: string): unknown => lookup(root, pointer(path));

/** The pointer to a member of the document. */
export const pointerTo = (key: string): string => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;

/** The member `key` if it is the object's own. */
export function own(node: Doc, key: string): unknown {
  return Object.hasOwn(node, key) ? node[key] : undefined;
}
