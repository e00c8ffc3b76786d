import type { Matchers } from '../../core/alert/rules/config.ts';
import { type Command, InvalidArgumentError } from 'commander';
import { loadConfig } from '../../config/load.ts';
import { someMatchers } from '../../config/schema/suppression.ts';
import { silenceEnd } from '../../core/alert/suppress/silence.ts';
import { FieldwatchError } from '../../core/errors.ts';
import type { Db } from '../../queries/db.ts';
import { countMatches } from '../../queries/alerts.ts';
import { addSilence, expireSilence, listSilences, type SilenceRow } from '../../queries/silences.ts';
import { operatorName } from './ack.ts';
import {
  durationArgument,
  limitOption,
  type Moment,
  momentArgument,
  numeric,
  type RowLimit,
} from '../arguments.ts';
import { type Cli, configOption, jsonOption, print, subcommand } from '../command.ts';
import { withDatabase } from '../database.ts';
import { onDatabase, withOutputOptions } from '../read-command.ts';
import { formatTime } from '../output/format.ts';
import { jsonLine, limited, printRows } from '../output/rows.ts';
import { type Column, inZone } from '../output/table.ts';
import { type Zone, zoneOf, displayZoneOption } from '../zone.ts';

const shown = (matchers: Matchers): string =>
  Object.entries(matchers)
    .map(([label, pattern]) => `${label}=${pattern}`)
    .join(',');

/** `sensor=s1,alert_type=temperature_*`; given again it adds to what was given. */
export function matchArgument(text: string, before: Matchers = {}): Matchers {
  const matchers: Record<string, string> = { ...before };
  for (const part of text.split(',')) {
    const at = part.indexOf('=');
    const [label, pattern] = [part.slice(0, at).trim(), part.slice(at + 1).trim()];
    if (at < 1 || pattern === '')
      throw new InvalidArgumentError(`"${part}" is no matcher; expected label=pattern, such as sensor=s1.`);
    if (Object.hasOwn(matchers, label)) throw new InvalidArgumentError(`"${label}" is given twice.`);
    matchers[label] = pattern;
  }
  const checked = someMatchers('').safeParse(matchers);
  if (!checked.success)
    throw new InvalidArgumentError(checked.error.issues.map(({ message }) => message).join('; '));
  return matchers;
}

interface AddOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly match: Matchers;
  readonly for?: number;
  readonly until?: Moment;
  readonly from?: Moment;
  readonly by?: string;
  readonly comment: string;
}

const addCommand = (cli: Cli): Command =>
  subcommand(
    'add',
    'suppress the notifications of alerts that match, for a time; rows and states go on',
    'fieldwatch alerts silence add --match sensor=coldroom-07 --for 2h --by ann --comment "defrosting"\n' +
      "fieldwatch alerts silence add --match 'location=lab,alert_type=temperature_*' --until 2026-02-01T06:00Z",
  )
    .requiredOption(
      '--match <label=pattern,…>',
      'sensor, location, type, tag, metric, alert_type, severity, or a tag name=value; * is any text',
      matchArgument,
    )
    .option('--for <duration>', 'how long, such as 2h', durationArgument)
    .option('--until <time>', 'until when, instead of --for', momentArgument)
    .option('--from <time>', 'from when (default: now)', momentArgument)
    .option('--by <name>', 'who (default: $USER)')
    .option('--comment <text>', 'why', '')
    .option(...configOption)
    .option(...jsonOption)
    .action(
      cli.action(async (options: AddOptions) => {
        const { config } = loadConfig({ file: options.config, env: cli.env });
        const nowMs = Date.now();
        const startsAt = options.from?.(nowMs) ?? null;
        const end = endOf(options, startsAt?.getTime() ?? nowMs, config.alerts.max_silence);
        const by = operatorName(cli, options.by);
        const add = async (db: Db): Promise<void> => {
          const { match: matchers, comment } = options;
          const row = await addSilence(db, { matchers, startsAt, end, by, comment });
          if (row === undefined) return;
          if (options.json === true) print(cli, jsonLine(row));
          else
            print(
              cli,
              `silence ${row.id}: ${shown(row.matchers)} until ${formatTime(row.endsAt, zoneOf(config, {}))}`,
            );
          await showMatches(cli, db, row.matchers);
        };
        await withDatabase(cli, config, add, { refuseNewer: true });
        return 0;
      }),
    );

function endOf({ for: afterMs, until }: AddOptions, startMs: number, maxMs: number) {
  const fault = (message: string, remedy?: string) =>
    new FieldwatchError(message, {
      code: 'USAGE',
      kind: 'config',
      ...(remedy === undefined ? {} : { remedy }),
    });
  if ((afterMs === undefined) === (until === undefined))
    throw fault('a silence needs an end: either --for or --until');
  const end = silenceEnd({ startMs, untilMs: until?.(startMs).getTime(), forMs: afterMs }, maxMs);
  if ('fault' in end) throw fault(end.fault, end.remedy);
  return end;
}

/** A misspelt pattern matches nothing, which would show at the next alert only. */
async function showMatches(cli: Cli, db: Db, matchers: Matchers): Promise<void> {
  const { matched, open } = await countMatches(db, matchers);
  cli.stderr.write(`fieldwatch: it matches ${matched} of ${open} open alerts now\n`);
}

const COLUMNS: readonly Column<SilenceRow>[] = [
  { title: 'id', value: (row) => row.id },
  { title: 'state', value: (row) => row.state },
  { title: 'match', value: (row) => shown(row.matchers) },
  { title: 'starts_at', value: (row) => row.startsAt },
  { title: 'ends_at', value: (row) => row.endsAt },
  { title: 'by', value: (row) => row.by },
  { title: 'comment', value: (row) => row.comment },
];

interface ListOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly csv?: boolean;
  readonly all?: boolean;
  readonly timezone?: Zone;
  readonly limit: RowLimit;
}

const listCommand = (cli: Cli): Command =>
  withOutputOptions(
    subcommand('list', 'silences that are not over', 'fieldwatch alerts silence list --all --json'),
  )
    .option('--all', 'also those that are over; they are kept for 90 days')
    .addOption(limitOption(1000))
    .addOption(displayZoneOption())
    .action(
      onDatabase<ListOptions>(cli, async (db, options, config) => {
        printRows(
          cli,
          options.csv === true ? COLUMNS : inZone(COLUMNS, zoneOf(config, options)),
          await limited(cli, options, (limit) => listSilences(db, { all: options.all === true, limit })),
          options,
        );
        return 0;
      }),
    );

interface ExpireOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly by?: string;
}

const expireCommand = (cli: Cli): Command =>
  subcommand(
    'expire',
    'end a silence now: alerts that still fire are notified',
    'fieldwatch alerts silence expire 12',
  )
    .argument('<id>', 'as `silence list` shows it', numeric(1, Number.MAX_SAFE_INTEGER))
    .option('--by <name>', 'who (default: $USER)')
    .option(...configOption)
    .option(...jsonOption)
    .action(
      cli.action(async (id: number, options: ExpireOptions) => {
        const { config } = loadConfig({ file: options.config, env: cli.env });
        const by = operatorName(cli, options.by);
        const row = await withDatabase(cli, config, (db) => expireSilence(db, String(id), by), {
          refuseNewer: true,
        });
        if (row === undefined) throw unknown(id);
        print(
          cli,
          options.json === true ? jsonLine(row) : `silence ${row.id} is over: ${shown(row.matchers)}`,
        );
        return 0;
      }),
    );

const unknown = (id: number) =>
  new FieldwatchError(`no silence ${id} is active or waiting`, {
    code: 'SILENCE_UNKNOWN',
    kind: 'data',
    remedy: '`fieldwatch alerts silence list` shows those there are',
  });

/** `fieldwatch alerts silence add|list|expire`. */
export const alertsSilenceCommand = (cli: Cli): Command =>
  subcommand(
    'silence',
    'suppress the notifications of some alerts for a time',
    'fieldwatch alerts silence add --match location=lab --for 2h --comment "moving benches"',
  )
    .addCommand(addCommand(cli))
    .addCommand(listCommand(cli))
    .addCommand(expireCommand(cli));
