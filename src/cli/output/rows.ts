import { Option } from 'commander';
import type { Dataset } from '../../queries/export/dataset.ts';
import type { RowLimit } from '../arguments.ts';
import type { Cli } from '../command.ts';
import { withInvocation } from '../invocation.ts';
import { type Column, csvLines, tableLines } from './table.ts';
import { createPaint, terminalWidth, wantsColor } from './terminal.ts';

export interface RowFormat {
  readonly json?: boolean | undefined;
  readonly csv?: boolean | undefined;
}

/** `receivedAt` -> `received_at`: fields are shown as the database and the log name them. */
export const snakeCase = (name: string): string =>
  name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** One line of JSON, its fields named as in the database and in the log: `received_at`. */
export const jsonLine = (row: object): string =>
  JSON.stringify(
    Object.fromEntries(Object.entries(row).map(([name, value]) => [snakeCase(name), value as unknown])),
  );

export const csvOption = (): Option =>
  new Option('--csv', 'print CSV with a header (RFC 4180)').conflicts('json');

interface Limit {
  readonly limit: RowLimit;
}

/**
 * Rows up to `--limit`. Of the default one row more is read, and where there is one, standard error says that rows are left
 * out: a list that is cut looks as a whole one does. `exported` names the dataset of `fieldwatch export` that has all of them.
 */
export async function limited<Row>(
  cli: Pick<Cli, 'stderr' | 'invocation' | 'configFile'>,
  { limit: { rows: most, given } }: Limit,
  read: (limit: number | undefined) => Promise<readonly Row[]>,
  exported?: Dataset,
): Promise<readonly Row[]> {
  if (given || most === undefined) return read(most);
  const rows = await read(most + 1);
  if (rows.length <= most) return rows;
  const all = exported === undefined ? '' : ` and \`fieldwatch export ${exported}\` have`;
  cli.stderr.write(
    `fieldwatch: ${withInvocation(`cut at ${most} rows: there are more; --limit 0${all === '' ? ' has' : all} all of them`, cli)}\n`,
  );
  return rows.slice(0, most);
}

/**
 * Rows in the chosen format: a table, CSV, or one JSON object a line with every field of the row. Times are ISO 8601 in
 * the last two. An empty table is reported on standard error.
 */
export function printRows<Row extends object>(
  cli: Cli,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  format: RowFormat,
): void {
  const lines =
    format.json === true
      ? rows.map(jsonLine)
      : format.csv === true
        ? csvLines(columns, rows)
        : rows.length === 0
          ? []
          : tableLines(columns, rows, createPaint(wantsColor(cli)), terminalWidth(cli));
  const text = `${lines.join('\n')}\n`;
  // CSV that goes to a program keeps every character.
  const exact = format.csv === true && cli.stdout.isTTY !== true;
  if (lines.length > 0) cli.stdout.write(exact ? Buffer.from(text) : text);
  if (rows.length === 0) cli.stderr.write('no rows\n');
}
