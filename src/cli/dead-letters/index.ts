import { loadConfig } from '../../config/load.ts';
import { FieldwatchError } from '../../core/errors.ts';
import {
  deadLetter,
  type DeadLetterRow,
  deleteDeadLetters,
  listDeadLetters,
} from '../../queries/dead-letters.ts';
import { type Moment, isUuid, limitOption, momentArgument, momentOption, numeric } from '../arguments.ts';
import { type Cli, type CliCommand, configOption, jsonOption, print, subcommand } from '../command.ts';
import { withDatabase } from '../database.ts';
import { retryCommand } from './retry.ts';
import { type ReadOptions, onDatabase, rangeOf, withOutputOptions } from '../read-command.ts';
import { jsonLine, limited, printRows, snakeCase } from '../output/rows.ts';
import { type Column, cellText } from '../output/table.ts';

/** UTF-8 where it is, base64 where it is not: a payload may be anything. */
export function readable(bytes: Uint8Array): { payload: string } | { payloadBase64: string } {
  try {
    return { payload: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch {
    return { payloadBase64: Buffer.from(bytes).toString('base64') };
  }
}

const SHOWN = 60;
const shorten = (text: string): string => (text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text);
const headOf = (row: DeadLetterRow): string => Buffer.from(row.head).toString('utf8');

const COLUMNS: readonly Column<DeadLetterRow>[] = [
  { title: 'received_at', value: (row) => row.receivedAt },
  { title: 'id', value: (row) => row.id },
  { title: 'topic', value: (row) => row.topic },
  { title: 'reason', value: (row) => row.reason },
  { title: 'detail', value: (row) => row.detail, format: (value) => shorten(cellText(value)) },
  { title: 'bytes', value: (row) => row.bytes },
  { title: 'kept', value: (row) => row.keptBytes },
  { title: 'payload', value: headOf, format: (value) => shorten(cellText(value)) },
];

interface ListOptions extends ReadOptions {
  readonly reason?: string;
  readonly topic?: string;
}

const listCommand = (cli: Cli) =>
  withOutputOptions(
    subcommand(
      'list',
      'messages that gave no reading, newest first',
      'fieldwatch dead-letters list --since 1h',
    ),
  )
    .option('--reason <code>', 'only this reject code or SQLSTATE')
    .option('--topic <topic>', 'only this topic')
    .addOption(momentOption('--since <when>', 'timestamp or duration, e.g. 2026-01-01 or 30d', '24h'))
    .option('--until <when>', 'timestamp or duration, e.g. 2026-01-01 or 30d (default: now)', momentArgument)
    .addOption(limitOption(100))
    .action(
      onDatabase<ListOptions>(cli, async (db, options) => {
        const range = rangeOf(options, Date.now());
        const read = (limit: number | undefined) => listDeadLetters(db, { ...options, ...range, limit });
        const rows = await limited(cli, options, read, 'dead-letters');
        if (options.json === true)
          for (const { head, ...row } of rows)
            print(cli, jsonLine({ ...row, head: Buffer.from(head).toString('base64') }));
        else printRows(cli, COLUMNS, rows, options);
        return 0;
      }),
    );

interface ShowOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly raw?: boolean;
}

const showCommand = (cli: Cli) =>
  subcommand(
    'show',
    'one dead letter with its payload, or as much of it as is kept',
    'fieldwatch dead-letters show <id> --raw > payload.bin',
  )
    .argument('<id>')
    .option('--raw', 'only the payload, byte for byte')
    .option(...configOption)
    .option(...jsonOption)
    .action(
      cli.action(async (id: string, options: ShowOptions) => {
        const { config } = loadConfig({ file: options.config, env: cli.env });
        const read = () => withDatabase(cli, config, (db) => deadLetter(db, id), { readsOnly: true });
        const letter = isUuid(id) ? await read() : undefined;
        if (letter === undefined)
          throw new FieldwatchError(`no dead letter has the id ${JSON.stringify(id)}`, {
            code: 'DEAD_LETTER_UNKNOWN',
            kind: 'data',
            remedy: '`fieldwatch dead-letters list` shows the ids; the retention policy drops old ones',
          });
        const { payload, ...row } = letter;
        if (row.keptBytes < row.bytes)
          cli.stderr.write(
            `fieldwatch: ${row.keptBytes} of ${row.bytes} bytes of the payload are kept (dead_letters.max_payload)\n`,
          );
        if (options.raw === true) cli.stdout.write(payload);
        else if (options.json === true) print(cli, jsonLine({ ...row, ...readable(payload) }));
        else
          for (const [name, value] of Object.entries({ ...row, ...readable(payload) }))
            print(cli, `${`${snakeCase(name)}:`.padEnd(15)} ${cellText(value)}`);
        return 0;
      }),
    );

interface DeleteOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly before: Moment;
  readonly reason?: string;
  readonly limit: number;
}

const deleteLimit = (value: string): number => numeric(0, 10_000_000)(value) || Infinity;

const deleteCommand = (cli: Cli) =>
  subcommand(
    'delete',
    'delete dead letters that were received before a time, oldest first',
    'fieldwatch dead-letters delete --before 7d --reason parse_error',
  )
    .requiredOption('--before <when>', 'timestamp or duration, e.g. 2026-01-01 or 30d', momentArgument)
    .option('--reason <code>', 'only this reject code or SQLSTATE')
    .option('--limit <n>', 'rows at most; 0: no limit', deleteLimit, 100_000)
    .option(...configOption)
    .option(...jsonOption)
    .action(
      onDatabase<DeleteOptions>(
        cli,
        async (db, options) => {
          const deleted = await deleteDeadLetters(db, { ...options, before: options.before(Date.now()) });
          print(cli, options.json === true ? JSON.stringify({ deleted }) : `deleted ${deleted} dead letters`);
          if (deleted === options.limit)
            cli.stderr.write('fieldwatch: the limit was reached, there may be more\n');
          return 0;
        },
        { refuseNewer: true },
      ),
    );

/** `fieldwatch dead-letters list|show|retry|delete`. */
export const deadLettersCommand: CliCommand = (cli) =>
  subcommand(
    'dead-letters',
    'look at messages that gave no reading, and publish them again',
    'fieldwatch dead-letters list',
  )
    .addCommand(listCommand(cli))
    .addCommand(showCommand(cli))
    .addCommand(retryCommand(cli))
    .addCommand(deleteCommand(cli));
