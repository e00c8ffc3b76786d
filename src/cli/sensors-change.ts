import type { Command } from 'commander';
import type pg from 'pg';
import { silentLogger } from '../adapters/log/logger.ts';
import { createCatalog } from '../adapters/timescale/catalog.ts';
import { databaseError } from '../adapters/timescale/errors.ts';
import { createPool } from '../adapters/timescale/pool.ts';
import {
  type SensorChangeKind,
  type SensorHoldings,
  changeSensor,
  conflictsBetween,
  holdingsOf,
  moveReadings,
  pendingMoves,
} from '../adapters/timescale/sensor-moves.ts';
import { createStatementExecutor } from '../adapters/timescale/statement-executor.ts';
import { databaseOptions } from '../app/options.ts';
import { loadConfig } from '../config/load.ts';
import type { Config } from '../config/schema/index.ts';
import { counted } from '../core/counted.ts';
import { FieldwatchError } from '../core/errors.ts';
import { lateCheckWithin } from '../core/policy/check/late.ts';
import { planOf } from '../core/policy/plan.ts';
import { plainText } from '../core/printable.ts';
import { runRepair } from '../services/policy/repair-runner.ts';
import { operatorName } from './alerts-ack.ts';
import { type Cli, type ExitCode, configOption, jsonOption, print, subcommand } from './command.ts';
import { withDatabaseUrl } from './database.ts';
import { formatTime } from './format.ts';
import { withInvocation } from './invocation.ts';

interface ChangeOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly yes?: boolean;
  readonly by?: string;
}

interface Wanted {
  readonly kind: SensorChangeKind;
  readonly key: string;
  readonly target?: string;
}

/** The rows of a sensor, and the change that was or would be made. */
interface Account extends Wanted, SensorHoldings {
  readonly done: boolean;
  /** Of a merge: times at which both sensors have other values. */
  readonly conflicts: number;
  readonly closedAlerts: number;
}

const withOptions = (command: Command) =>
  command
    .option('--yes', 'do it; without it, only print what would be done')
    .option('--by <name>', 'who asks for it (default: the name of this user)')
    .option(...configOption)
    .option(...jsonOption);

export const forgetCommand = (cli: Cli): Command =>
  withOptions(
    subcommand(
      'forget',
      'delete sensors with all their readings and alerts; without --yes only count them',
      'fieldwatch sensors forget test-1 test-2 --yes',
    ).argument('<keys...>'),
  )
    .addHelpText(
      'after',
      '\nOpen alerts are closed by hand, with a line and a notification. A running daemon goes on: a sensor that sends again\n' +
        'is registered anew, without a past. See sensors.allow for keeping it out.\n',
    )
    .action(
      cli.action((keys: readonly string[], options: ChangeOptions) =>
        change(
          cli,
          keys.map((key) => ({ kind: 'forget', key })),
          options,
        ),
      ),
    );

export const renameCommand = (cli: Cli): Command =>
  withOptions(
    subcommand(
      'rename',
      'give a sensor another key; readings, alerts and silences stay with it',
      'fieldwatch sensors rename 0xa4c1 coldroom-07 --yes',
    )
      .argument('<old>')
      .argument('<new>'),
  )
    .addHelpText('after', '\nWhat arrives under the old key later is stored for this sensor.\n')
    .action(
      cli.action((key: string, target: string, options: ChangeOptions) =>
        change(cli, [{ kind: 'rename', key, target }], options),
      ),
    );

export const mergeCommand = (cli: Cli): Command =>
  withOptions(
    subcommand(
      'merge',
      'move all readings and alerts of a sensor to another one; the first is gone then',
      'fieldwatch sensors merge coldroom-7 coldroom-07 --yes',
    )
      .argument('<old>')
      .argument('<new>'),
  )
    .addHelpText(
      'after',
      '\nWhere both have a reading of one time, that of <new> stays; what differs of <old> is one dead letter (merge_conflict), which keeps the first 500 rows.\n' +
        'Open alerts of <old> are closed by hand. What arrives under the old key later is stored for <new>.\n',
    )
    .action(
      cli.action((key: string, target: string, options: ChangeOptions) =>
        change(cli, [{ kind: 'merge', key, target }], options),
      ),
    );

async function change(cli: Cli, all: readonly Wanted[], options: ChangeOptions): Promise<ExitCode> {
  const { config } = loadConfig({ file: options.config, env: cli.env });
  return withDatabaseUrl(
    cli,
    config,
    (url) =>
      withClient<ExitCode>(config, url, async (client) => {
        // The remains of an interrupted command come first.
        if (options.yes === true) await finish(cli, client);
        const before = [];
        for (const wanted of all) before.push(await examine(client, wanted));
        if (options.yes !== true) {
          for (const account of before) show(cli, account, options);
          return 0;
        }
        const by = operatorName(cli, options.by);
        for (const account of before) {
          const closedAlerts = await changeSensor(client, { ...account, by });
          await finish(cli, client);
          show(cli, { ...account, closedAlerts, done: true }, options);
        }
        await refreshAggregates(cli, config, url, before);
        return 0;
      }),
    { refuseNewer: true },
  );
}

/** One connection without a limit on statements: a chunk may hold millions of rows. */
async function withClient<T>(
  config: Config,
  url: string,
  run: (client: pg.ClientBase) => Promise<T>,
): Promise<T> {
  const options = { ...databaseOptions(config, url, 'sensors'), statementTimeoutMs: 0, max: 1 };
  const pool = await createPool(options, silentLogger);
  try {
    const client = await pool.connect();
    try {
      return await run(client);
    } finally {
      client.release();
    }
  } catch (error) {
    throw databaseError(error, 'changing sensors');
  } finally {
    await pool.end();
  }
}

async function examine(client: pg.ClientBase, wanted: Wanted): Promise<Account> {
  const found = await holdingsOf(client, wanted.key);
  if (found === undefined) throw unknown(wanted.key);
  const target = wanted.target === undefined ? undefined : await holdingsOf(client, wanted.target);
  if (wanted.kind === 'merge' && target === undefined) throw unknown(wanted.target!);
  const conflicts = wanted.kind === 'merge' ? await conflictsBetween(client, found.id, target!.id) : 0;
  return { ...wanted, ...found, conflicts, closedAlerts: found.openAlerts, done: false };
}

const unknown = (key: string) =>
  new FieldwatchError(`no sensor is registered under the key ${JSON.stringify(key)}`, {
    code: 'SENSOR_UNKNOWN',
    kind: 'data',
    remedy: '`fieldwatch sensors list` shows the keys',
  });

/** Moves or deletes what still lies under ids that are gone. */
async function finish(cli: Cli, client: pg.ClientBase): Promise<void> {
  for (const move of await pendingMoves(client)) {
    const { conflicts } = await moveReadings(client, move);
    if (conflicts > 0)
      cli.stderr.write(
        `fieldwatch: ${counted(conflicts, 'row')} of ${plainText(move.key)} had other values: see the dead letter (merge_conflict)\n`,
      );
  }
}

/** Refreshes hours beyond the window of the refresh policy; the others follow with the next refresh. */
async function refreshAggregates(
  cli: Cli,
  config: Config,
  url: string,
  accounts: readonly Account[],
): Promise<void> {
  const ranges = accounts.flatMap(({ kind, first, last }) =>
    kind === 'rename' || first === null || last === null
      ? []
      : [{ from: first.getTime() * 1000, until: last.getTime() * 1000 + 1 }],
  );
  if (ranges.length === 0) return;
  const database = databaseOptions(config, url, 'sensors');
  const catalog = createCatalog({ ...database, statementTimeoutMs: 60_000 });
  const executor = createStatementExecutor(database);
  const stop = new AbortController();
  void cli.interrupted.then(() => stop.abort());
  try {
    const plan = planOf(config.policies);
    const checks = [lateCheckWithin(ranges)];
    const { runs } = await runRepair({
      catalog,
      executor,
      plan,
      checks,
      effects: ['refresh'],
      signal: stop.signal,
    });
    const failed = runs.find(({ error }) => error !== undefined);
    if (failed !== undefined)
      cli.stderr.write(
        `fieldwatch: aggregates are not up to date (${plainText(failed.error ?? '')}): run ${withInvocation('`fieldwatch policies repair --only late`', cli)}\n`,
      );
  } finally {
    await executor.close();
    await catalog.close();
  }
}

function show(cli: Cli, account: Account, { json }: ChangeOptions): void {
  if (json === true) return print(cli, JSON.stringify(account));
  for (const line of accountLines(account)) print(cli, plainText(line));
}

/** The report as text; pure. */
export function accountLines(account: Account): readonly string[] {
  const { kind, key, target, done, first, last, closedAlerts, aliases } = account;
  const would = done ? '' : 'would be ';
  const span = first === null || last === null ? '' : `, ${formatTime(first)} to ${formatTime(last)}`;
  const values = account.values === 0 ? '' : ` and ${counted(account.values, 'value')} of further metrics`;
  const chunks =
    account.compressedChunks === 0
      ? ''
      : `, some in ${counted(account.compressedChunks, 'compressed chunk')}`;
  const fate = kind === 'forget' ? 'deleted' : kind === 'merge' ? `moved to ${target}` : 'kept';
  const lines = [
    `${key}: sensor ${would}${kind === 'forget' ? 'forgotten' : `${kind}d ${kind === 'merge' ? 'into' : 'to'} ${target}`}`,
    `  ${counted(account.readings, 'reading')}${values} ${would}${fate}${span}${chunks}`,
    `  ${counted(account.alerts, 'alert row')} ${would}${fate}`,
  ];
  if (kind === 'merge')
    lines.push(
      `  ${counted(account.conflicts, 'row')} of a time at which ${target} has other values ${would}kept as one dead letter (merge_conflict, the first 500 of them)`,
    );
  if (kind !== 'rename') lines.push(`  ${counted(closedAlerts, 'open alert')} ${would}closed by hand`);
  if (account.silences > 0)
    lines.push(
      kind === 'forget'
        ? `  ${counted(account.silences, 'silence')} of this key alone: left as it is, see \`alerts silence list\``
        : `  ${counted(account.silences, 'silence')} of this key ${would}changed to ${target}`,
    );
  if (aliases.length > 0) lines.push(`  former keys: ${aliases.join(', ')}`);
  lines.push(
    kind === 'forget'
      ? '  a later message of it registers it anew, without a past'
      : `  later messages of ${key} are stored for ${target}`,
  );
  if (!done) lines.push('  --yes does it');
  return lines;
}
