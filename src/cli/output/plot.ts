import { formatNumber } from '../../core/format-number.ts';
import { padCells } from './terminal.ts';

/** Charts of text for a terminal. Values are plotted as they are; what is absent or no finite number is left empty. */

const PARTS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'] as const;
const SHADES = ['·', '░', '▒', '▓', '█'] as const;
const EMPTY = ' ';

type Maybe = number | null | undefined;
const isThere = (value: Maybe): value is number => typeof value === 'number' && Number.isFinite(value);

interface Extent {
  readonly least: number;
  readonly most: number;
}

function extentOf(values: readonly Maybe[]): Extent | undefined {
  const there = values.filter(isThere);
  if (there.length === 0) return undefined;
  const fold = (pick: (a: number, b: number) => number) => there.reduce((so, value) => pick(so, value));
  return { least: fold(Math.min), most: fold(Math.max) };
}

/** 0 to 1; in the middle where all are equal. */
const placeOf = (value: number, { least, most }: Extent): number =>
  most === least ? 0.5 : (value - least) / (most - least);

export interface Bar {
  readonly label: string;
  readonly value: Maybe;
}

/** One bar a line. They begin at zero where the values are on one side of it and spread as widely; otherwise at the least one. */
export function barLines(bars: readonly Bar[], width: number): readonly string[] {
  const extent = extentOf(bars.map(({ value }) => value));
  if (extent === undefined) return [];
  const { least, most } = extent;
  const start = least >= 0 && least < most / 2 ? 0 : least - (most - least) / 10;
  const texts = bars.map(({ value }) => (isThere(value) ? formatNumber(value) : '-'));
  const labels = Math.max(...bars.map(({ label }) => label.length));
  const numbers = Math.max(...texts.map((text) => text.length));
  const room = Math.max(8, width - labels - numbers - 4);
  return bars.map(({ label, value }, at) => {
    const head = `${padCells(label, labels)}  ${padCells(texts[at] ?? '', numbers, 'right')}  `;
    return isThere(value) ? head + bar((placeOf(value, { least: start, most }) || 0) * room) : head.trimEnd();
  });
}

function bar(length: number): string {
  const eighths = Math.round(length * 8);
  return '█'.repeat(Math.floor(eighths / 8)) + (PARTS[eighths % 8] ?? '');
}

export interface Heat {
  readonly rows: readonly string[];
  readonly columns: readonly string[];
  /** By row, then column. */
  readonly values: readonly (readonly Maybe[])[];
  /** Default: from the least to the largest value. */
  readonly extent?: Extent | undefined;
  /** Cells of a column; default 2. */
  readonly cell?: number;
  /** The last line; default: the least and the largest value. */
  readonly legend?: string;
}

/** Shades from the least to the largest value, which the last line names; an empty cell has no value. */
export function heatLines({ rows, columns, values, extent, cell = 2, legend }: Heat): readonly string[] {
  const range = extent ?? extentOf(values.flat());
  if (range === undefined) return [];
  const labels = Math.max(0, ...rows.map((row) => row.length));
  const shade = (value: Maybe): string => {
    if (!isThere(value)) return EMPTY.repeat(cell);
    const at = Math.min(SHADES.length - 1, Math.floor(placeOf(value, range) * SHADES.length));
    return (SHADES[Math.max(0, at)] ?? EMPTY).repeat(cell);
  };
  const head = columns.map((column) => padCells(column.slice(0, cell), cell)).join('');
  return [
    `${' '.repeat(labels + 2)}${head}`.trimEnd(),
    ...rows.map((row, at) => `${padCells(row, labels)}  ${(values[at] ?? []).map(shade).join('')}`.trimEnd()),
    `${' '.repeat(labels + 2)}${legend ?? `${SHADES[0]} ${formatNumber(range.least)}  ${SHADES.at(-1)} ${formatNumber(range.most)}`}`,
  ];
}

export interface Box {
  readonly label: string;
  readonly min: number;
  readonly p25: number;
  readonly p50: number;
  readonly p75: number;
  readonly max: number;
}

/** Extremes, quartiles and median on one scale, which the last line names: `├──▒▒▒┃▒▒──┤`. */
export function boxLines(boxes: readonly Box[], width: number): readonly string[] {
  const range = extentOf(boxes.flatMap(({ min, max }) => [min, max]));
  if (range === undefined) return [];
  const labels = Math.max(...boxes.map(({ label }) => label.length));
  const room = Math.max(16, width - labels - 2);
  const at = (value: number) => Math.round(placeOf(value, range) * (room - 1));
  const lines = boxes.map(({ label, min, p25, p50, p75, max }) => {
    const cells = Array.from({ length: room }, (_, index) => {
      if (index === at(p50)) return '┃';
      if (index >= at(p25) && index <= at(p75)) return '▒';
      if (index === at(min)) return '├';
      if (index === at(max)) return '┤';
      return index > at(min) && index < at(max) ? '─' : EMPTY;
    });
    return `${padCells(label, labels)}  ${cells.join('').trimEnd()}`;
  });
  const [from, to] = [formatNumber(range.least), formatNumber(range.most)];
  return [
    ...lines,
    `${' '.repeat(labels + 2)}${from}${padCells(to, Math.max(to.length + 1, room - from.length), 'right')}`,
  ];
}

export interface Line {
  /** Evenly spaced; a gap is null. */
  readonly values: readonly Maybe[];
  readonly from: string;
  readonly to: string;
  /** Drawn across the curve, with their numbers. */
  readonly limits?: readonly number[];
  /** Drawn below it: 0 is the first value, 1 the last one. */
  readonly marks?: readonly { readonly at: number; readonly sign: string }[];
}

const HEIGHT = 10;
/** Dots of a braille character by column and row (Unicode: U+2800 and the bits of the dots). */
const DOTS = [
  [0x01, 0x02, 0x04, 0x40],
  [0x08, 0x10, 0x20, 0x80],
] as const;

/** A curve of braille dots, two values a column at most: more are drawn over each other. */
export function curveLines(
  { values, from, to, limits = [], marks = [] }: Line,
  width: number,
): readonly string[] {
  if (extentOf(values) === undefined) return [];
  const range = extentOf([...values, ...limits]);
  if (range === undefined) return [];
  const rowOf = (value: number) => Math.round((1 - placeOf(value, range)) * (HEIGHT * 4 - 1));
  const numbers = new Map(limits.map((limit) => [rowOf(limit) >> 2, formatNumber(limit)]));
  const names = [
    [0, formatNumber(range.most)],
    [HEIGHT - 1, formatNumber(range.least)],
  ] as const;
  const labels = new Map([...names, ...numbers]);
  const wide = Math.max(...[...labels.values()].map((label) => label.length));
  const room = Math.max(16, width - wide - 3);
  const columns = Math.min(room, Math.max(1, Math.ceil(values.length / 2)));
  const grid = Array.from({ length: HEIGHT }, () => new Array<number>(columns).fill(0));
  const last = Math.max(1, values.length - 1);
  for (const [index, value] of values.entries()) {
    if (!isThere(value)) continue;
    const x = Math.round((index / last) * (columns * 2 - 1));
    const y = rowOf(value);
    const row = grid[y >> 2];
    if (row !== undefined) row[x >> 1] = (row[x >> 1] ?? 0) | (DOTS[x & 1]?.[y & 3] ?? 0);
  }
  const drawn = grid.map((row, at) => {
    const empty = numbers.has(at) ? LIMIT : EMPTY;
    const cells = row.map((bits) => (bits === 0 ? empty : String.fromCodePoint(0x2800 + bits)));
    return `${padCells(labels.get(at) ?? '', wide, 'right')} │${cells.join('')}`;
  });
  const axis = `${from}${padCells(to, Math.max(to.length + 1, columns - from.length), 'right')}`;
  const below = [...(marks.length === 0 ? [] : [signs(marks, columns)]), axis];
  return [...drawn, ...below.map((line) => `${' '.repeat(wide + 2)}${line}`)].map((line) => line.trimEnd());
}

const LIMIT = '╌';

function signs(marks: NonNullable<Line['marks']>, columns: number): string {
  const line = new Array<string>(columns).fill(EMPTY);
  for (const { at, sign } of marks) line[Math.round(Math.min(1, Math.max(0, at)) * (columns - 1))] = sign;
  return line.join('');
}
