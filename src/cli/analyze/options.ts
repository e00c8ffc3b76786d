import type { Command } from 'commander';
import type { Selection, TimeRange } from '../../queries/db.ts';
import { type Moment, momentArgument, momentOption, repeated } from '../arguments.ts';
import { type Cli, print, usage } from '../command.ts';
import { rangeOf, withOutputOptions } from '../read-command.ts';
import { type RowFormat, printRows } from '../output/rows.ts';
import type { Column } from '../output/table.ts';

/** Options of every analysis. */
export interface AnalyzeOptions extends RowFormat, Selection {
  readonly config?: string;
  readonly since: Moment;
  readonly until?: Moment;
  readonly plot?: boolean;
}

export const withAnalyzeOptions = (command: Command, since: string, plot?: string): Command => {
  withOutputOptions(command)
    .option('--sensor <key>', 'only this sensor; may be repeated', repeated)
    .option('--location <name>', 'only sensors of this location')
    .addOption(momentOption('--since <when>', 'timestamp or duration, e.g. 2026-01-01 or 30d', since))
    .option('--until <when>', 'timestamp or duration, e.g. 2026-01-01 or 30d (default: now)', momentArgument);
  return plot === undefined ? command : command.option('--plot', plot);
};

export const METRIC_OPTION = [
  '--metric <name>',
  'any metric, with a column of its own or not',
  'temperature',
] as const;
export const METRICS_OPTION = [
  '--metric <name>',
  'only this metric; may be repeated (default: all)',
] as const;

/** The range and the sensors that the options name. */
export function chosenOf(options: AnalyzeOptions): TimeRange & Selection {
  const { sensor, location } = options;
  return { ...rangeOf(options, Date.now()), sensor, location };
}

/** Up to now and no further: what is still to come is not missing. */
export function pastOf(options: AnalyzeOptions): TimeRange & Selection {
  const chosen = chosenOf(options);
  return options.until === undefined ? { ...chosen, to: new Date() } : chosen;
}

/** Rows, or with `--plot` their picture. */
export function show<Row extends object>(
  cli: Cli,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  options: AnalyzeOptions,
  plot?: (rows: readonly Row[], width: number) => readonly string[],
): void {
  if (options.plot !== true || plot === undefined || rows.length === 0)
    return printRows(cli, columns, rows, options);
  if (options.json === true || options.csv === true)
    throw usage('--plot is for a terminal, and neither JSON nor CSV');
  for (const line of plot(rows, Math.min(cli.stdout.columns ?? 80, 120))) print(cli, line);
}

/** Columns by the names of the fields. */
export const fields = <Row>(...names: (keyof Row & string)[]): Column<Row>[] =>
  names.map((name) => ({ title: name, value: (row) => row[name] }));
