import { isZone } from '../zone.ts';
import * as z from './zod.ts';

/**
 * Building blocks of the sections. Two markers travel as schema metadata, because other code reads them there:
 * `writeOnly` (a JSON Schema word) marks a secret, which is never printed; `readsFile` marks a path of a file that is
 * read at start, resolved against the folder of the configuration file and refused when it cannot be read.
 */

/** `describe` of a schema that is not shared: without the copy that `describe` makes. */
export const described = <Schema extends z.ZodType>(fresh: Schema, description: string): Schema => {
  z.globalRegistry.add(fresh, { description });
  return fresh;
};

/** A section whose keys all have defaults may be left out altogether. */
export const section = <Shape extends z.ZodRawShape>(shape: Shape, description: string) =>
  described(z.strictObject(shape), description);

// What a key has in common with others of its form is built once: a schema is never changed, only wrapped.
const FLAG = z.boolean();
const WHOLE = z.int();
const TEXT = z.string().min(1, 'must not be empty; leave the key out instead');

export const flag = (fallback: boolean, description: string) =>
  described(FLAG.default(fallback), description);

export const whole = (bounds: { min: number; max: number; fallback: number }, description: string) =>
  described(WHOLE.check(z.gte(bounds.min), z.lte(bounds.max)).default(bounds.fallback), description);

export const text = (description: string) => TEXT.describe(description);

export const timezone = (description: string) =>
  text(description).refine(isZone, {
    error: 'is no time zone; expected an IANA name such as Europe/Berlin',
  });

export const secret = (description: string) => TEXT.meta({ description, writeOnly: true });

export const readFilePath = (description: string) => TEXT.meta({ description, readsFile: true });

/** A TCP port; 0 lets the system choose where `zero` allows it. */
export const port = (fallback: number, description: string, zero = false) =>
  whole({ min: zero ? 0 : 1, max: 65_535, fallback }, description);

/** A URL of one of the schemes. The message never quotes the value: a URL may carry a password. */
export const url = (schemes: readonly string[], description: string) =>
  text(description).superRefine((value, context) => {
    const fault = urlFault(value, schemes);
    if (fault !== undefined) context.addIssue({ code: 'custom', message: fault });
  });

function urlFault(value: string, schemes: readonly string[]): string | undefined {
  const expected = schemes.map((scheme) => `${scheme}://`).join(', ');
  const parsed = tryUrl(value);
  if (parsed === null) return `is no URL; expected one that starts with ${expected}`;
  const scheme = parsed.protocol.slice(0, -1);
  if (!schemes.includes(scheme)) {
    const shown = /^[a-z][a-z0-9+.-]{0,15}$/.test(scheme) ? `scheme "${scheme}" is` : 'its scheme is';
    return `${shown} not supported; expected one of ${expected}`;
  }
  if (parsed.hostname === '') return 'has no host';
  return undefined;
}

function tryUrl(value: string): URL | null {
  try {
    return new URL(value);
  } catch {
    return null;
  }
}

/** A certificate without its key, or the other way round, would fail at the first handshake only. */
export function certificatePair(
  value: { cert_file?: string | undefined; key_file?: string | undefined },
  context: z.RefinementCtx,
): void {
  if ((value.cert_file === undefined) === (value.key_file === undefined)) return;
  const [given, missing] = value.cert_file === undefined ? ['key', 'cert'] : ['cert', 'key'];
  context.addIssue({
    code: 'custom',
    path: [`${given}_file`],
    message: `needs ${missing}_file: a certificate and its key come together`,
  });
}

/**
 * The value at `low` may not exceed the one at `high`. Runs even when the section has other faults (`when`), since all
 * faults are reported at once; a value that is itself at fault is no number here and is left alone.
 */
export function ordered<Schema extends z.ZodType>(
  schema: Schema,
  low: readonly string[],
  high: readonly string[],
  fault: { readonly path: readonly string[]; readonly error: string },
): Schema {
  const fits = (value: unknown) => {
    const [a, b] = [numberAt(value, low), numberAt(value, high)];
    return a === undefined || b === undefined || a <= b;
  };
  return schema.refine(fits, { path: [...fault.path], error: fault.error, when: () => true });
}

function numberAt(value: unknown, path: readonly string[]): number | undefined {
  const found = path.reduce<unknown>(
    (at, key) => (typeof at === 'object' && at !== null ? (at as Record<string, unknown>)[key] : undefined),
    value,
  );
  return typeof found === 'number' ? found : undefined;
}
