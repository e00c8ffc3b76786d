import { Option } from 'commander';
import type { Dataset } from '../queries/export/dataset.ts';
import type { Cli } from './command.ts';
import { withInvocation } from './invocation.ts';
import { type Column, csvLines, tableLines } from './table.ts';
import { createPaint, wantsColor } from './terminal.ts';

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
  readonly limit: number;
}

/**
 * Rows up to `--limit`. One more is read, and where there is one, standard error says that rows are left out: a list that is cut
 * looks as a whole one does. `exported` names the dataset of `fieldwatch export` that has all of them.
 */
export async function limited<Row>(
  cli: Pick<Cli, 'stderr' | 'invocation' | 'configFile'>,
  { limit }: Limit,
  read: (limit: number) => Promise<readonly Row[]>,
  exported?: Dataset,
): Promise<readonly Row[]> {
  const rows = await read(limit + 1);
  if (rows.length <= limit) return rows;
  const all = exported === undefined ? '' : `; \`fieldwatch export ${exported}\` has no limit`;
  cli.stderr.write(
    `fieldwatch: ${withInvocation(`cut at --limit ${limit}: there are more rows${all}`, cli)}\n`,
  );
  return rows.slice(0, limit);
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
          : tableLines(columns, rows, createPaint(wantsColor(cli)));
  const text = `${lines.join('\n')}\n`;
  // CSV that goes to a program keeps every character.
  const exact = format.csv === true && cli.stdout.isTTY !== true;
  if (lines.length > 0) cli.stdout.write(exact ? Buffer.from(text) : text);
  if (rows.length === 0) cli.stderr.write('no rows\n');
}
