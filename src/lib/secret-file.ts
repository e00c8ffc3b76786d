import { readFileSync } from 'node:fs';

export type ReadFile = (path: string) => string;

export const readTextFile: ReadFile = (path) => readFileSync(path, 'utf8');

export const BYTE_ORDER_MARK = '\ufeff';
export const BOM_FAULT =
  'the file begins with a byte order mark (BOM), which would be part of the secret; save it as UTF-8 without BOM';

export const withoutNewline = (content: string): string => content.replace(/\r?\n$/, '');

/**
 * The secret as it is now: the file is read again, so that a rotated secret needs no restart. For adapters that ask at
 * each connect or request; throws what the file system throws, and an Error for a file with a byte order mark.
 */
export function secretNow(
  value: string | undefined,
  file: string | undefined,
  read: ReadFile = readTextFile,
): string | undefined {
  if (file === undefined) return value;
  const secret = withoutNewline(read(file));
  if (secret.startsWith(BYTE_ORDER_MARK)) throw new Error(`${file}: ${BOM_FAULT}`);
  return secret;
}
