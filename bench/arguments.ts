import { type ParseArgsConfig, parseArgs } from 'node:util';

/** A usage error; exit code 2. */
export class UsageError extends Error {}

export interface Parsed<Text extends string, Flag extends string> {
  readonly values: Readonly<Partial<Record<Text, string> & Record<Flag, boolean>>>;
  readonly positionals: readonly string[];
}

/** The values of `--name` options with text, of flags, and what stands alone, where that is allowed. Throws UsageError. */
export function parseArguments<Text extends string, Flag extends string>(
  args: readonly string[],
  texts: readonly Text[],
  flags: readonly Flag[],
  allowPositionals = false,
): Parsed<Text, Flag> {
  const options: ParseArgsConfig['options'] = Object.fromEntries([
    ...texts.map((name) => [name, { type: 'string' }] as const),
    ...flags.map((name) => [name, { type: 'boolean' }] as const),
  ]);
  try {
    return parseArgs({ args: [...args], allowPositionals, options }) as unknown as Parsed<Text, Flag>;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** A number from `min` (1) to `max` (no limit), whole unless said otherwise; `fallback` where there is no text. */
export function numberOf(
  name: string,
  text: string | undefined,
  fallback: number,
  { min = 1, max = Infinity, whole = true } = {},
): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  const isFit = whole ? Number.isSafeInteger(value) : Number.isFinite(value);
  if (text.trim() !== '' && isFit && value >= min && value <= max) return value;
  const range = `from ${min} ${max === Infinity ? 'on' : `to ${max}`}`;
  throw new UsageError(`${name}: "${text}" is no ${whole ? 'whole ' : ''}number ${range}`);
}

export const databaseUrlOf = (text: string | undefined): string | undefined =>
  urlOf('--database-url', text, ['postgres:', 'postgresql:']);

export function urlOf(
  name: string,
  text: string | undefined,
  protocols: readonly string[],
): string | undefined {
  if (text === undefined) return undefined;
  // The text may hold a password: it is not repeated.
  if (!URL.canParse(text) || !protocols.includes(new URL(text).protocol)) {
    throw new UsageError(`${name}: expected a URL that starts with ${protocols.join('// or ')}//`);
  }
  return text;
}
