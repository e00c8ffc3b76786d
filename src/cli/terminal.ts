import type { Cli } from './command.ts';

/** Wraps text in colour, or leaves it as it is. */
export interface Paint {
  readonly red: (text: string) => string;
  readonly green: (text: string) => string;
  readonly yellow: (text: string) => string;
  readonly cyan: (text: string) => string;
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
}

const sgr = (on: boolean, open: number, close: number) => (text: string) =>
  on ? `\u001b[${open}m${text}\u001b[${close}m` : text;

export const createPaint = (on: boolean): Paint => ({
  red: sgr(on, 31, 39),
  green: sgr(on, 32, 39),
  yellow: sgr(on, 33, 39),
  cyan: sgr(on, 36, 39),
  bold: sgr(on, 1, 22),
  dim: sgr(on, 2, 22),
});

/** Colour for a person at a terminal who has not declined it (https://no-color.org). */
export const wantsColor = ({ stdout, env }: Pick<Cli, 'stdout' | 'env'>): boolean =>
  stdout.isTTY === true && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb';

/**
 * Text from the network made safe to show: what could move the cursor, recolour the screen or reverse the reading
 * direction is written out as an escape instead.
 */
export const plainText = (text: string): string =>
  text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (char) => {
    const short = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }[char];
    return short ?? `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`;
  });

/** Cells that a text takes, escape sequences not counted. Wide East Asian characters count as one: good enough here. */
export const cells = (text: string): number => Array.from(text.replace(/\u001b\[\d+m/g, '')).length;

export const padCells = (text: string, width: number, align: 'left' | 'right' = 'left'): string => {
  const fill = ' '.repeat(Math.max(0, width - cells(text)));
  return align === 'left' ? text + fill : fill + text;
};
