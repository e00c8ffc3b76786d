import { openPublisher } from '../adapters/mqtt/publish-once.ts';
import { errorFailure } from '../adapters/mqtt/failure.ts';
import { requeueDeadLetters } from '../adapters/timescale/dead-letters.ts';
import { brokerUrl, mqttOptions } from '../app/options.ts';
import { loadConfig, type Config } from '../config/index.ts';
import { counted } from '../core/counted.ts';
import { FieldwatchError } from '../core/errors.ts';
import type { Db } from '../queries/db.ts';
import { lettersToRetry, type LetterToRetry } from '../queries/letters-to-retry.ts';
import { momentArgument, momentOption, numeric, type Moment } from './arguments.ts';
import {
  configOption,
  jsonOption,
  print,
  subcommand,
  usage,
  type Cli,
  type CliCommand,
  type ExitCode,
} from './command.ts';
import { withDatabase } from './database.ts';
import { rangeOf } from './read-command.ts';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
/** Of named letters the time does not matter. */
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
    'publish dead letters again, oldest first; without --yes only say which',
    'fieldwatch dead-letters retry --reason no_device --since 2d --yes',
  )
    .argument('[id...]', 'only these')
    .option('--reason <code>', 'only this reject code or SQLSTATE')
    .option('--topic <topic>', 'only this topic')
    .addOption(momentOption('--since <when>', 'time, or how long ago', '24h'))
    .option('--until <when>', 'time, or how long ago (default: now)', momentArgument)
    .option('--limit <n>', 'dead letters at most', numeric(1, 10_000), 1000)
    .option('--again', 'also those that were published again before')
    .option('--yes', 'do it')
    .option(...configOption)
    .option(...jsonOption)
    .addHelpText(
      'after',
      '\nThey go to their topics at the broker, and to whoever else subscribes to those. A payload without a time of its own gets that\n' +
        'of its new arrival. Each is marked once it is published: an interruption repeats one at most.\n',
    )
    .action(cli.action((ids: readonly string[], options: RetryOptions) => retry(cli, ids, options)));

async function retry(cli: Cli, ids: readonly string[], options: RetryOptions): Promise<ExitCode> {
  const { config } = loadConfig({ file: options.config, env: cli.env });
  const { reason, topic, limit } = options;
  if (ids.length === 0 && reason === undefined && topic === undefined)
    throw usage('name the dead letters: by id, --reason or --topic');
  const stranger = ids.find((id) => !UUID.test(id));
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
      const published = options.yes === true ? await publishAll(db, config, sendable, again) : undefined;
      report(cli, options, { found, sendable, published });
      return 0;
    },
    { refuseNewer: true },
  );
}

async function publishAll(
  db: Db,
  config: Config,
  letters: readonly LetterToRetry[],
  again: boolean,
): Promise<number> {
  if (letters.length === 0) return 0;
  const url = brokerUrl(config);
  const publisher = await openPublisher(mqttOptions(config, url, []), url).catch((error: unknown) => {
    throw unreachable(url, error);
  });
  try {
    return await requeueDeadLetters(
      db,
      letters.map(({ id }) => id),
      ({ topic, payload }) => publisher.publish(topic, payload, { qos: 1, retain: false }),
      again,
    );
  } finally {
    await publisher.end();
  }
}

function unreachable(url: string, error: unknown): FieldwatchError {
  const { reason, remedy } = errorFailure(error as Error);
  return new FieldwatchError(`cannot publish to ${new URL(url).host}: ${reason}`, {
    code: 'BROKER_UNREACHABLE',
    kind: 'transient',
    cause: error,
    ...(remedy === undefined ? {} : { remedy }),
  });
}

interface Retried {
  readonly found: readonly LetterToRetry[];
  readonly sendable: readonly LetterToRetry[];
  /** Undefined in a dry run. */
  readonly published: number | undefined;
}

function report(
  cli: Cli,
  { json, again, limit }: RetryOptions,
  { found, sendable, published }: Retried,
): void {
  const truncated = found.filter((letter) => letter.truncated).length;
  const before = again === true ? 0 : found.filter((letter) => !letter.truncated && letter.requeued).length;
  if (json === true) {
    const figures = { found: found.length, truncated, published_before: before };
    const account = published === undefined ? { would_publish: sendable.length } : { published };
    return print(cli, JSON.stringify({ ...figures, ...account }));
  }
  const letters = counted(published ?? sendable.length, 'dead letter');
  print(
    cli,
    published === undefined ? `would publish ${letters} again; --yes does it` : `published ${letters} again`,
  );
  for (const [key, count] of [...groups(sendable)].slice(0, GROUPS)) print(cli, `  ${count} ${key}`);
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
  return new Map([...counts].sort(([, a], [, b]) => b - a));
}
