import { brokerUrl } from '../../app/options.ts';
import { type Republished, republish } from '../../app/operator/republish.ts';
import { loadConfig } from '../../config/load.ts';
import { counted } from '../../core/counted.ts';
import { type LetterToRetry, lettersToRetry } from '../../queries/dead-letters.ts';
import { type Moment, isUuid, momentArgument, momentOption, numeric } from '../arguments.ts';
import {
  type Cli,
  type CliCommand,
  type ExitCode,
  configOption,
  jsonOption,
  print,
  subcommand,
  usage,
} from '../command.ts';
import { withDatabase } from '../database.ts';
import { rangeOf } from '../read-command.ts';

/** The start of the range for explicit ids: their age does not matter. */
const EVER: Moment = () => new Date(0);

interface RetryOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly yes?: boolean;
  readonly again?: boolean;
  readonly reason?: string;
  readonly topic?: string;
  readonly since: Moment;
  readonly until?: Moment;
  readonly limit: number;
}

/** `fieldwatch dead-letters retry`: publishes them once more, for routes that were corrected meanwhile. */
export const retryCommand: CliCommand = (cli) =>
  subcommand(
    'retry',
    'publish dead letters again, oldest first; without --yes only list them',
    'fieldwatch dead-letters retry --reason no_device --since 2d --yes',
  )
    .argument('[id...]', 'only these')
    .option('--reason <code>', 'only this reject code or SQLSTATE')
    .option('--topic <topic>', 'only this topic')
    .addOption(momentOption('--since <when>', 'timestamp or duration, e.g. 2026-01-01 or 30d', '24h'))
    .option('--until <when>', 'timestamp or duration, e.g. 2026-01-01 or 30d (default: now)', momentArgument)
    .option('--limit <n>', 'dead letters at most', numeric(1, 10_000), 1000)
    .option('--again', 'also those that were published again before')
    .option('--yes', 'do it')
    .option(...configOption)
    .option(...jsonOption)
    .addHelpText(
      'after',
      '\nThey go to their topics at the broker, and to all other subscribers of those. A payload without a time of its own gets that\n' +
        'of its new arrival. Each is marked once it is published: an interruption repeats one at most.\n',
    )
    .action(cli.action((ids: readonly string[], options: RetryOptions) => retry(cli, ids, options)));

async function retry(cli: Cli, ids: readonly string[], options: RetryOptions): Promise<ExitCode> {
  const { config } = loadConfig({ file: options.config, env: cli.env });
  const { reason, topic, limit } = options;
  if (ids.length === 0 && reason === undefined && topic === undefined)
    throw usage('name the dead letters: by id, --reason or --topic');
  const stranger = ids.find((id) => !isUuid(id));
  if (stranger !== undefined) throw usage(`${JSON.stringify(stranger)} is no id of a dead letter`);
  const wanted = ids.length === 0 ? undefined : ids;
  const range = rangeOf(wanted === undefined ? options : { ...options, since: EVER }, Date.now());
  return withDatabase<ExitCode>(
    cli,
    config,
    async (db) => {
      const found = await lettersToRetry(db, { ...range, ids: wanted, reason, topic, limit });
      const again = options.again === true;
      const sendable = found.filter(({ truncated, requeued }) => !truncated && (again || !requeued));
      const outcome =
        options.yes === true
          ? await republish(db, sendable, { config, url: brokerUrl(config), again })
          : undefined;
      report(cli, options, { found, sendable, outcome });
      return outcome === undefined || outcome.refused.size === 0 ? 0 : 1;
    },
    { refuseNewer: true },
  );
}

interface Retried {
  readonly found: readonly LetterToRetry[];
  readonly sendable: readonly LetterToRetry[];
  /** Undefined in a dry run. */
  readonly outcome: Republished | undefined;
}

function report(cli: Cli, { json, again, limit }: RetryOptions, { found, sendable, outcome }: Retried): void {
  const truncated = found.filter((letter) => letter.truncated).length;
  const before = again === true ? 0 : found.filter((letter) => !letter.truncated && letter.requeued).length;
  if (json === true) {
    const figures = { found: found.length, truncated, published_before: before };
    const account =
      outcome === undefined
        ? { would_publish: sendable.length }
        : { published: outcome.published, refused: Object.fromEntries(outcome.refused) };
    return print(cli, JSON.stringify({ ...figures, ...account }));
  }
  const letters = counted(outcome?.published ?? sendable.length, 'dead letter');
  print(
    cli,
    outcome === undefined ? `would publish ${letters} again; --yes does it` : `published ${letters} again`,
  );
  for (const [key, count] of [...groups(sendable)].slice(0, GROUPS)) print(cli, `  ${count} ${key}`);
  for (const why of [...(outcome?.refused.values() ?? [])].slice(0, GROUPS))
    print(cli, `  not accepted: ${why}`);
  if (before > 0) print(cli, `  left out: ${before} published again before (--again takes them too)`);
  if (truncated > 0) print(cli, `  left out: ${truncated} of which only the beginning is kept`);
  if (found.length === limit) print(cli, '  the limit was reached, there may be more');
}

const GROUPS = 20;

/** By reason and topic, the most frequent first. */
function groups(letters: readonly LetterToRetry[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { reason, topic } of letters) {
    const key = `${reason} of ${JSON.stringify(topic)}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return new Map([...counts].sort(([a, most], [b, other]) => other - most || (a < b ? -1 : 1)));
}
