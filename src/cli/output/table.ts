import { plainText } from '../../core/printable.ts';
import { formatNumber } from '../../core/format-number.ts';
import { formatTime } from './format.ts';
import { type Paint, cells, padCells } from './terminal.ts';

/** One column of a printed table. */
export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => unknown;
  /** Only for tables; JSON and CSV print the value itself. */
  readonly format?: (value: unknown, row: Row) => string;
  /** Instead of `format` in a table that is wider than its terminal. */
  readonly narrow?: (value: unknown, row: Row) => string;
  /** Left out of a table that is wider than its terminal, the least first; absent: never. */
  readonly leaves?: number;
}

/** How a value stands in a table: short, safe to show, `-` for none. */
export function cellText(value: unknown): string {
  if (value === null || value === undefined || value === '') return '-';
  if (value instanceof Date) return formatTime(value);
  if (typeof value === 'number') return formatNumber(value);
  if (Array.isArray(value)) return value.length === 0 ? '-' : value.map(cellText).join(', ');
  return plainText(typeof value === 'string' ? value : JSON.stringify(value));
}

/** Columns whose times are shown in a zone. JSON and CSV have the values themselves. */
export const inZone = <Row>(columns: readonly Column<Row>[], zone: string): readonly Column<Row>[] =>
  columns.map((column) =>
    column.format === undefined
      ? { ...column, format: (value) => (value instanceof Date ? formatTime(value, zone) : cellText(value)) }
      : column,
  );

/**
 * Lines of a table: titles, then rows, padded to the widest cell; numbers to the right, no trailing blanks. While it is wider than
 * `width` cells, cells become narrow where they can, and then columns leave that may.
 */
export function tableLines<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  paint: Paint,
  width = Infinity,
): readonly string[] {
  const lines = allLines(columns, rows, paint);
  if (lines.every((line) => cells(line) <= width)) return lines;
  if (columns.some(({ narrow }) => narrow !== undefined))
    return tableLines(columns.map(narrowed), rows, paint, width);
  const [next] = columns
    .filter(({ leaves }) => leaves !== undefined)
    .sort((a, b) => (a.leaves ?? 0) - (b.leaves ?? 0));
  if (next === undefined) return lines;
  return tableLines(
    columns.filter((column) => column !== next),
    rows,
    paint,
    width,
  );
}

function narrowed<Row>({ narrow, ...column }: Column<Row>): Column<Row> {
  return narrow === undefined ? column : { ...column, format: narrow };
}

function allLines<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  paint: Paint,
): readonly string[] {
  const body = rows.map((row) =>
    columns.map(({ value, format }) =>
      format === undefined ? cellText(value(row)) : format(value(row), row),
    ),
  );
  const widths = columns.map(({ title }, index) =>
    Math.max(cells(title), ...body.map((line) => cells(line[index] ?? ''))),
  );
  const right = columns.map(({ value }) => {
    const values = rows.map(value).filter((one) => one !== null && one !== undefined);
    return values.length > 0 && values.every((one) => typeof one === 'number');
  });
  const line = (texts: readonly string[]) =>
    texts
      .map((text, index) => padCells(text, widths[index] ?? 0, right[index] === true ? 'right' : 'left'))
      .join('  ')
      .trimEnd();
  return [paint.bold(line(columns.map(({ title }) => title))), ...body.map(line)];
}

/** A cell of CSV (RFC 4180); text that a spreadsheet would run as a formula is made inert by a leading quote. */
export function csvCell(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (value instanceof Date) return value.toISOString();
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  const text = Array.isArray(value)
    ? value.join(' ')
    : typeof value === 'string'
      ? value
      : JSON.stringify(value);
  const inert = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(inert) ? `"${inert.replaceAll('"', '""')}"` : inert;
}

/** Header and rows of CSV, without line ends. */
export const csvLines = <Row>(columns: readonly Column<Row>[], rows: readonly Row[]): readonly string[] => [
  columns.map(({ title }) => csvCell(title)).join(','),
  ...rows.map((row) => columns.map(({ value }) => csvCell(value(row))).join(',')),
];
