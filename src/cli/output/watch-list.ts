import type { Cli } from '../command.ts';
import { formatTime } from './format.ts';
import { pollDatabase } from '../poll-database.ts';
import { type Column, tableLines } from './table.ts';
import { createPaint, cutCells, wantsColor } from './terminal.ts';
import type { Zone } from '../zone.ts';

export interface WatchedList<Row> {
  readonly read: () => Promise<readonly Row[]>;
  /** Read with each look: units may become known. */
  readonly columns: () => Promise<readonly Column<Row>[]>;
  readonly json: boolean | undefined;
  /** Zone of the time above a list that is drawn. */
  readonly zone: Zone;
  /** Identity of a row across reads. */
  readonly key: (row: Row) => string;
  /** Differs when the row has changed. */
  readonly mark: (row: Row) => string;
  /** As JSON. */
  readonly line: (row: Row) => string;
}

/**
 * A list as it is, once a second until Ctrl-C: redrawn on a terminal, elsewhere a line of JSON for each row that is new or has
 * changed. It goes on while the database is away, and says so once.
 */
export async function watchList<Row>(cli: Cli, list: WatchedList<Row>): Promise<void> {
  const stop = new AbortController();
  void cli.interrupted.then(() => stop.abort());
  const isDrawn = cli.stdout.isTTY === true && list.json !== true;
  const show: Show<Row> = isDrawn ? drawer(cli, list.zone) : changes(cli, list);
  await pollDatabase(cli, {
    poll: async () => show(await list.read(), isDrawn ? await list.columns() : [], undefined),
    signal: stop.signal,
    onTrouble: isDrawn ? (text) => show([], [], text) : undefined,
  });
}

type Show<Row> = (rows: readonly Row[], columns: readonly Column<Row>[], trouble: string | undefined) => void;

function changes<Row>(cli: Cli, { key, mark, line }: WatchedList<Row>): Show<Row> {
  let seen = new Map<string, string>();
  return (rows) => {
    const marks = new Map(rows.map((row) => [key(row), mark(row)]));
    // The newest is the last line.
    for (const row of [...rows].reverse())
      if (seen.get(key(row)) !== marks.get(key(row))) cli.stdout.write(`${line(row)}\n`);
    seen = marks;
  };
}

/** Control sequences pass as data: in text they are made visible. */
const CLEAR = Buffer.from('\u001b[2J');
const HOME = Buffer.from('\u001b[H');
const CLEAR_BELOW = Buffer.from('\u001b[J');
const CLEAR_REST = '\u001b[K';

const FALLBACK = { columns: 80, rows: 24 } as const;

/** Draws over what is there, so that nothing flickers, and never more than the terminal has lines. */
function drawer<Row>(cli: Cli, zone: Zone): Show<Row> {
  const { stdout } = cli;
  const paint = createPaint(wantsColor(cli));
  let last: readonly string[] = [];
  stdout.write(CLEAR);
  return (rows, columns, trouble) => {
    // A terminal of unknown size reports 0.
    const width = stdout.columns || FALLBACK.columns;
    const height = stdout.rows || FALLBACK.rows;
    const table = tableLines(columns, rows, paint, width);
    const shown = trouble !== undefined ? last : rows.length === 0 ? ['none'] : table;
    last = shown;
    // The time, an empty line, and one below the last.
    const room = Math.max(1, height - 3);
    const hidden = shown.length - room + 1;
    const body = shown.length <= room ? shown : [...shown.slice(0, room - 1), `… and ${hidden} more`];
    const head = `${formatTime(new Date(), zone)}  ${trouble ?? 'Ctrl-C ends it'}`;
    const lines = [trouble === undefined ? paint.dim(head) : paint.yellow(head), '', ...body];
    stdout.write(HOME);
    stdout.write(lines.map((line) => `${cutCells(line, width)}${CLEAR_REST}\n`).join(''));
    stdout.write(CLEAR_BELOW);
  };
}
