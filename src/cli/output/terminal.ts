import { closeSync, openSync } from 'node:fs';
import type { Severity } from '../../core/alert/model.ts';
import { escapeUnits } from '../../core/printable.ts';
import type { Cli } from '../command.ts';

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

/** The colour of a severity. */
export const severityPaint = (paint: Paint, severity: Severity): ((text: string) => string) => {
  if (severity === 'info') return paint.cyan;
  return severity === 'warning' ? paint.yellow : (text) => paint.bold(paint.red(text));
};

/** Colour on a terminal, unless NO_COLOR declines it (https://no-color.org). */
export const wantsColor = ({ stdout, env }: Pick<Cli, 'stdout' | 'env'>): boolean =>
  stdout.isTTY === true && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb';

/** Whether a program that writes to a terminal got SIGHUP because that was closed, and not to reload. */
export function hasLostTerminal({ stdout }: Pick<Cli, 'stdout'>): boolean {
  if (stdout.isTTY !== true) return false;
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return false;
  } catch {
    return true;
  }
}

/** Control sequences that this program writes itself: colours, clearing a line, and going back to its start for that. */
const OWN = /\u001b\[(?:[0-9]{0,2}m|2?K)|\r(?=\u001b\[2?K)|^\r|[\n\t]/;
const OWN_OR_UNPRINTABLE = new RegExp(`(${OWN.source})|[\\p{Cc}\\p{Cf}\\u2028\\u2029]`, 'gu');

/**
 * The stream with unprintable characters written as `\\u009b`, which in JSON and YAML means the same. A Buffer is data and
 * passes unchanged.
 */
export function guarded<S extends NodeJS.WritableStream>(stream: S): S {
  type Write = (chunk: string | Uint8Array, ...rest: unknown[]) => boolean;
  const whole: Write = (stream.write as Write).bind(stream);
  const write: Write = (chunk, ...rest) =>
    whole(typeof chunk === 'string' ? withoutControls(chunk) : chunk, ...rest);
  return new Proxy(stream, {
    get: (target, name) => {
      if (name === 'write') return write;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

const withoutControls = (text: string): string =>
  text.replace(OWN_OR_UNPRINTABLE, (found, own: string | undefined) => own ?? escapeUnits(found));

/** Cells that a text takes, escape sequences not counted. Wide East Asian characters count as one: good enough here. */
export const cells = (text: string): number => Array.from(text.replace(/\u001b\[\d+m/g, '')).length;

export const padCells = (text: string, width: number, align: 'left' | 'right' = 'left'): string => {
  const fill = ' '.repeat(Math.max(0, width - cells(text)));
  return align === 'left' ? text + fill : fill + text;
};

/** Cells of a line of the terminal; Infinity without a terminal, and for one of unknown width. */
export const terminalWidth = ({ stdout }: Pick<Cli, 'stdout'>): number =>
  stdout.isTTY === true && stdout.columns !== undefined && stdout.columns > 0 ? stdout.columns : Infinity;

/** A text of at most `width` cells, with an ellipsis where it was longer. Colours of what is cut off end. */
export function cutCells(text: string, width: number): string {
  if (cells(text) <= width) return text;
  let room = Math.max(0, width - 1);
  const kept: string[] = [];
  for (const [part] of text.matchAll(/\u001b\[\d+m|[^\u001b]/gu)) {
    if (part.startsWith('\u001b')) kept.push(part);
    else if (room > 0) {
      kept.push(part);
      room--;
    }
  }
  return `${kept.join('')}…`;
}

/** Words on lines of at most `width` cells; lines after the first begin with `indent`. A longer word has a line of its own. */
export function wrapWords(text: string, width: number, indent = ''): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (line.trim() === '' || cells(longer) <= width) line = longer;
    else {
      lines.push(line.trimEnd());
      line = `${indent}${word}`;
    }
  }
  return [...lines, line.trimEnd()];
}
