import type * as z from '../core/schema/zod.ts';
import { below, inspect, isPlainObject } from './walk.ts';

export const MASK = '***';

/** Keys that hold a secret in a section whose schema does not say so, such as a header of a webhook. */
const SECRET_NAME =
  /(^|[_-])(password|passwd|passphrase|secret|token|api[_-]?key|authorization|cookie|credentials?)$/i;

// user:password@ after a scheme, a token as the only user of an HTTP URL, and secrets among the parameters.
const URL_PASSWORD = /(\b[a-z][a-z0-9+.-]*:\/\/[^\s:/?#@]*:)([^\s]*)(@)/gi;
const URL_TOKEN = /(\bhttps?:\/\/)([^\s:/?#@]+)(@)/gi;
const QUERY_SECRET =
  /([?&](?:(?:ssl)?password|(?:access_?)?token|auth|api_?key|key|secret|sig(?:nature)?)=)([^&\s#]*)/gi;
const URL_SECRETS = [URL_PASSWORD, URL_TOKEN, QUERY_SECRET];

/** The text with every password and token inside a URL replaced. */
export function redactUrl(text: string): string {
  return text
    .replace(URL_PASSWORD, `$1${MASK}$3`)
    .replace(URL_TOKEN, `$1${MASK}$3`)
    .replace(QUERY_SECRET, `$1${MASK}`);
}

/** A copy of the tree without secrets. */
export function redact(schemas: readonly z.core.$ZodType[], tree: unknown, name = ''): unknown {
  const secret = SECRET_NAME.test(name) || schemas.some((schema) => inspect(schema).secret);
  if (secret && tree !== null && tree !== undefined && !isPlainObject(tree)) return MASK;
  if (typeof tree === 'string') return redactUrl(tree);
  const at = (key: string | number) => schemas.flatMap((schema) => below(schema, key));
  if (Array.isArray(tree)) return tree.map((item, index) => redact(at(index), item));
  if (!isPlainObject(tree)) return tree;
  return Object.fromEntries(Object.entries(tree).map(([key, value]) => [key, redact(at(key), value, key)]));
}

/** Every secret text of the tree: of secret keys, and inside URLs. */
export function secretsIn(root: z.core.$ZodType, tree: unknown): readonly string[] {
  const found = new Set<string>();
  collect([root], tree, '', found);
  // The longest first: one secret may contain another. A very short one would blot out ordinary words.
  return [...found].filter((secret) => secret.length >= 3).sort((a, b) => b.length - a.length);
}

function collect(schemas: readonly z.core.$ZodType[], tree: unknown, name: string, found: Set<string>): void {
  if (typeof tree === 'string') {
    if (SECRET_NAME.test(name) || schemas.some((schema) => inspect(schema).secret)) found.add(tree);
    for (const pattern of URL_SECRETS) for (const match of tree.matchAll(pattern)) found.add(match[2] ?? '');
  }
  if (typeof tree !== 'object' || tree === null) return;
  for (const [key, value] of Object.entries(tree)) {
    const children = schemas.flatMap((schema) => below(schema, Array.isArray(tree) ? Number(key) : key));
    collect(children, value, key, found);
  }
}

export function scrub(message: string, secrets: readonly string[]): string {
  return secrets.reduce((text, secret) => text.replaceAll(secret, MASK), message);
}
