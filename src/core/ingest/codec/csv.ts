import type { Limits } from '../mapping/context.ts';
import { emptyDoc } from '../mapping/document.ts';
import type { RouteConfig } from '../route-config.ts';
import { cellReader } from './cells.ts';
import { type CodecKind, type Payload, rejectPayload } from './codec.ts';
import { decodeText } from './text.ts';
import { NAMELESS } from './tree.ts';

/** A row with more cells is rejected: the only limit that bounds a row is that of its metrics. */
const CELLS_PER_METRIC = 4;
const BLANKS = ' ';
const TAB = 0x09;
const NEWLINE = 0x0a;
const RETURN = 0x0d;

interface Table {
  readonly columns: readonly (string | null)[] | undefined;
  readonly separator: string;
  readonly read: ReturnType<typeof cellReader>;
}

/** Rows of separated values (RFC 4180), each a record; quotes hold separators, line breaks and doubled quotes. */
function decodeCsv(bytes: Uint8Array, table: Table, limits: Limits): Payload {
  const text = decodeText(bytes);
  if (typeof text !== 'string') return text;
  const maxCells = limits.max_metrics * CELLS_PER_METRIC;
  const rows: Record<string, unknown>[] = [];
  let columns = table.columns;
  for (let at = 0; at < text.length;) {
    const { cells, end } = readRow(text, at, table.separator, maxCells);
    at = end;
    if (cells === undefined) return rejectPayload('too_large', 'a row with too many cells');
    if (cells.length === 1 && cells[0]?.trim() === '') continue;
    if (columns === undefined) {
      columns = distinct(cells.map((cell) => cell.trim()));
      continue;
    }
    if (rows.length === limits.max_readings) return rejectPayload('too_many_readings');
    rows.push(record(columns, cells, table.read));
  }
  if (rows.length === 0) return rejectPayload('no_metrics', 'no row behind the header');
  return { kind: 'document', value: rows };
}

/** A name that comes back gets a number, as the elements of an array do: `t`, `t_2`. */
function distinct(names: readonly string[]): string[] {
  const taken = new Set<string>();
  return names.map((name) => {
    let own = name;
    for (let number = 2; name !== '' && taken.has(own); number++) own = `${name}_${number}`;
    taken.add(own);
    return own;
  });
}

function record(
  columns: readonly (string | null)[],
  cells: readonly string[],
  read: Table['read'],
): Record<string, unknown> {
  const doc = emptyDoc();
  for (const [index, cell] of cells.entries()) {
    const column = columns[index];
    // Null leaves a column out; a cell that has no column is counted if it holds a number.
    if (column === null) continue;
    const name = column === undefined || column === '' ? NAMELESS : column;
    doc[name] = read(name, cell);
  }
  return doc;
}

function readRow(
  text: string,
  from: number,
  separator: string,
  maxCells: number,
): { readonly cells: string[] | undefined; readonly end: number } {
  const cells: string[] = [];
  let at = from;
  for (;;) {
    if (cells.length >= maxCells) return { cells: undefined, end: at };
    if (separator === BLANKS) while (text[at] === ' ' || text[at] === '\t') at++;
    const cell = text[at] === '"' ? quoted(text, at) : bare(text, at, separator);
    cells.push(cell.text);
    at = cell.end;
    if (at >= text.length || text[at] === '\n' || text[at] === '\r') break;
    at += separator.length;
    if (separator === BLANKS && /^[ \t]*(?:\r|\n|$)/.test(text.slice(at, at + 64))) {
      while (text[at] === ' ' || text[at] === '\t') at++;
      break;
    }
  }
  if (text[at] === '\r') at++;
  if (text[at] === '\n') at++;
  return { cells, end: at };
}

function quoted(text: string, from: number): { readonly text: string; readonly end: number } {
  let at = from + 1;
  for (;;) {
    const quote = text.indexOf('"', at);
    if (quote < 0) return { text: text.slice(from + 1), end: text.length };
    if (text[quote + 1] !== '"')
      return { text: text.slice(from + 1, quote).replaceAll('""', '"'), end: quote + 1 };
    at = quote + 2;
  }
}

function bare(
  text: string,
  from: number,
  separator: string,
): { readonly text: string; readonly end: number } {
  let at = from;
  const first = separator.charCodeAt(0);
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === NEWLINE || code === RETURN) break;
    if (code === first && (separator.length === 1 || text.startsWith(separator, at))) break;
    if (code === TAB && separator === BLANKS) break;
  }
  return { text: text.slice(from, at), end: at };
}

export const csv: CodecKind = {
  name: 'csv',
  summary: 'separated values, with columns by name or a header',
  preset: {},
  check: ({ csv: options }) => {
    if (options?.columns === undefined && options?.header !== true)
      return { key: 'csv', message: 'name the columns, or say header: true where the first line does' };
    const names = (options.columns ?? []).filter((name) => name !== null);
    const twice = names.find((name, at) => names.indexOf(name) < at);
    if (twice !== undefined) return { key: 'csv', message: `the column "${twice}" is there twice` };
    if (options.separator !== undefined && options.separator === options.decimal)
      return { key: 'csv', message: 'the separator and the decimal sign must differ' };
    return undefined;
  },
  create: (config: RouteConfig) => {
    const { columns, header, decimal, separator } = config.csv ?? {};
    const table = {
      columns: header === true ? undefined : columns,
      separator: separator ?? (decimal === ',' ? ';' : ','),
      read: cellReader(config),
    };
    return { decode: (bytes, { limits }) => decodeCsv(bytes, table, limits) };
  },
};
