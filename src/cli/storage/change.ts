import type { RepairStep } from '../../core/policy/check.ts';
import { Argument, type Command, InvalidArgumentError } from 'commander';
import { createCatalog } from '../../adapters/timescale/policy/catalog.ts';
import { createStatementExecutor } from '../../adapters/timescale/policy/statement-executor.ts';
import { databaseOptions } from '../../app/options.ts';
import { loadConfig } from '../../config/load.ts';
import { counted } from '../../core/counted.ts';
import { FieldwatchError } from '../../core/errors.ts';
import { refreshedAggregates } from '../../core/policy/aggregate.ts';
import type { Catalog } from '../../core/policy/catalog.ts';
import { noteDropped } from '../../core/policy/horizons.ts';
import { type IntervalText, formatInterval, intervalMs, parseInterval } from '../../core/policy/interval.ts';
import { compressOlder, dropOlder, refuseReachedByRefresh } from '../../core/policy/repair/manual.ts';
import { type PolicyPlan, planOf } from '../../core/policy/plan.ts';
import { literal } from '../../core/policy/repair/policy-sql.ts';
import { RELATIONS } from '../../core/policy/schema/relations.ts';
import type { StatementExecutor } from '../../core/policy/repair/repair-plan.ts';
import { numberOf } from '../../core/policy/row.ts';
import { beyondSource, heldQuery, merged, refreshSteps, without } from '../../core/policy/repair/slices.ts';
import { readSnapshot } from '../../core/policy/snapshot.ts';
import { plainText } from '../../core/printable.ts';
import type { Db } from '../../queries/db.ts';
import { chunksOlderThan } from '../../queries/storage.ts';
import { runStep } from '../../services/policy/repair-runner.ts';
import { type Moment, momentArgument } from '../arguments.ts';
import { type Cli, type ExitCode, configOption, print, subcommand } from '../command.ts';
import { withDatabaseUrl } from '../database.ts';
import { formatTime } from '../output/format.ts';

interface ChangeOptions {
  readonly config?: string;
  readonly olderThan: IntervalText;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly force?: boolean;
  readonly from: Moment;
  readonly to?: Moment;
}

interface Hands {
  readonly plan: PolicyPlan;
  readonly catalog: Catalog;
  readonly executor: StatementExecutor;
  readonly db: Db;
}

export const relationArgument = (kind?: 'hypertable' | 'aggregate'): Argument =>
  new Argument('<relation>', 'table or view').choices(
    RELATIONS.filter((relation) => kind === undefined || relation.kind === kind).map(({ name }) => name),
  );

function intervalArgument(value: string): IntervalText {
  const parsed = parseInterval(value);
  if (parsed === undefined)
    throw new InvalidArgumentError('Expected an interval such as 12 hours, 14 days or 1 year.');
  return formatInterval(parsed);
}

const onHands = (
  cli: Cli,
  run: (hands: Hands, subject: string, options: ChangeOptions) => Promise<ExitCode>,
) =>
  cli.action(async (subject: string, options: ChangeOptions): Promise<ExitCode> => {
    const { config } = loadConfig({ file: options.config, env: cli.env });
    return withDatabaseUrl(
      cli,
      config,
      async (url) => {
        const database = databaseOptions(config, url, 'storage');
        const catalog = createCatalog({ ...database, statementTimeoutMs: 60_000 });
        const executor = createStatementExecutor(database);
        const db: Db = {
          query: async <Row>(text: string, values: unknown[]) => ({
            rows: (await catalog.select(text, values)) as unknown as Row[],
          }),
        };
        try {
          return await run({ plan: planOf(config.policies), catalog, executor, db }, subject, options);
        } finally {
          await executor.close();
          await catalog.close();
        }
      },
      { refuseNewer: true },
    );
  });

/**
 * Runs steps one after the other, or prints them; the first failure ends it. Completed steps stay done and are printed: each
 * statement is whole by itself, so that the same command goes on from there.
 */
async function carryOut(
  cli: Cli,
  executor: StatementExecutor,
  steps: readonly RepairStep[],
  dryRun: boolean,
): Promise<ExitCode> {
  if (dryRun) {
    for (const step of steps) print(cli, `-- ${step.about}\n${step.sql};`);
    return 0;
  }
  const stop = new AbortController();
  void cli.interrupted.then(() => stop.abort());
  for (const [index, step] of steps.entries()) {
    const run = await runStep(executor, step, { left: Number.POSITIVE_INFINITY }, stop.signal);
    const result = `${step.about}${step.sliced === true ? `: ${counted(run.done, 'chunk')}` : ''}`;
    if (run.error !== undefined) {
      cli.stderr.write(`fieldwatch: ${plainText(`${result}, then: ${run.error}`)}\n`);
      return 1;
    }
    print(cli, result);
    // A single statement is over by then; of slices there may have been more.
    if (stop.signal.aborted && (step.sliced === true || index < steps.length - 1)) {
      cli.stderr.write('fieldwatch: interrupted; the same command goes on from here\n');
      return 1;
    }
  }
  return 0;
}

export function compressCommand(cli: Cli): Command {
  return subcommand(
    'compress',
    'compress chunks that are older than a bound, one at a time',
    "fieldwatch storage compress sensor_readings --older-than '2 days'",
  )
    .addArgument(relationArgument('hypertable'))
    .requiredOption(
      '--older-than <interval>',
      'age of the youngest chunk that is compressed',
      intervalArgument,
    )
    .option('--dry-run', 'print the statements without running them')
    .option(...configOption)
    .action(
      onHands(cli, ({ executor }, relation, { olderThan, dryRun }) =>
        carryOut(cli, executor, [compressOlder(relation, olderThan)], dryRun === true),
      ),
    );
}

export function decompressCommand(cli: Cli): Command {
  return subcommand(
    'decompress',
    'decompress one chunk; the compression policy compresses it again unless paused',
    'fieldwatch storage decompress _timescaledb_internal._hyper_1_5_chunk',
  )
    .argument('<chunk>', 'as `storage chunks` names it')
    .option('--dry-run', 'print the statements without running them')
    .option(...configOption)
    .action(
      onHands(cli, ({ executor }, chunk, { dryRun }) => {
        const step: RepairStep = {
          ...{ check: 'compression', subject: chunk, effect: 'compress' },
          about: `decompress ${chunk}`,
          sql: `SELECT decompress_chunk(${literal(chunk)}::regclass, if_compressed => true)`,
        };
        return carryOut(cli, executor, [step], dryRun === true);
      }),
    );
}

export function dropCommand(cli: Cli): Command {
  return subcommand(
    'drop',
    'delete chunks that are older than a bound; shows what, and needs --yes',
    "fieldwatch storage drop sensor_readings --older-than '60 days' --dry-run",
  )
    .addArgument(relationArgument())
    .requiredOption('--older-than <interval>', 'age of the youngest chunk that is deleted', intervalArgument)
    .option('--dry-run', 'say what would be deleted')
    .option('--yes', 'delete it')
    .option(...configOption)
    .action(
      onHands(cli, async ({ executor, plan, db }, relation, { olderThan, dryRun, yes }) => {
        refuseReachedByRefresh(plan, relation, olderThan);
        const noted = noteDropped(relation, olderThan);
        const { chunks, from, to } = await chunksOlderThan(db, relation, olderThan);
        const what = `${counted(chunks, 'chunk')} of ${relation}, from ${formatTime(from)} to ${formatTime(to)}`;
        if (chunks === 0) {
          print(cli, `no chunk of ${relation} is older than ${olderThan}`);
          return yes === true && dryRun !== true ? carryOut(cli, executor, [noted], false) : 0;
        }
        if (dryRun === true || yes !== true) {
          print(cli, `would delete ${what}`);
          if (dryRun !== true) cli.stderr.write('fieldwatch: nothing was deleted; confirm with --yes\n');
          return dryRun === true ? 0 : 1;
        }
        return carryOut(cli, executor, [noted, dropOlder(relation, olderThan)], false);
      }),
    );
}

export function refreshCommand(cli: Cli): Command {
  return subcommand(
    'refresh',
    'refresh an aggregate over a range, as far as its source still has the rows',
    'fieldwatch storage refresh sensor_hourly_agg --from 2026-01-01 --to 2026-02-01',
  )
    .addArgument(relationArgument('aggregate'))
    .requiredOption('--from <when>', 'timestamp or duration, e.g. 2026-01-01 or 30d', momentArgument)
    .option('--to <when>', 'timestamp or duration, e.g. 2026-01-01 or 30d (default: now)', momentArgument)
    .option('--force', 'recompute every bucket, also where it holds more readings than its source still has')
    .option('--dry-run', 'print the statements without running them')
    .option(...configOption)
    .action(
      onHands(cli, async ({ executor, plan, catalog }, name, options) => {
        const facts = await readSnapshot(catalog);
        const aggregate = refreshedAggregates(plan, facts).find(({ relation }) => relation.name === name);
        if (aggregate === undefined) throw notThere(name);
        const { text, values } = heldQuery(aggregate);
        const held = await catalog.select(text, values);
        const nowMs = Date.now();
        const range = {
          from: options.from(nowMs).getTime() * 1000,
          until: (options.to?.(nowMs) ?? new Date(nowMs)).getTime() * 1000,
        };
        const width = intervalMs(aggregate.relation.bucket) * 1000;
        const rows =
          options.force === true ? [] : await catalog.select(...beyondSource(aggregate.relation, range));
        const unsafe = rows.map((row) => numberOf(row, 'bucket'));
        if (unsafe.length > 0) {
          cli.stderr.write(
            `fieldwatch: ${counted(unsafe.length, 'bucket')} with more readings than the source still has: left as they are\n`,
          );
        }
        const ranges = without(merged([range], width), unsafe, width);
        const about = { check: 'refresh', subject: name };
        const steps = refreshSteps(about, aggregate, ranges, held, options.force === true);
        if (steps.length === 0)
          cli.stderr.write(`fieldwatch: ${aggregate.relation.source} has nothing in that range\n`);
        return carryOut(cli, executor, steps, options.dryRun === true);
      }),
    );
}

const notThere = (name: string) =>
  new FieldwatchError(`storage refresh: ${name} is not there, or its refresh is disabled`, {
    code: 'AGGREGATE_NOT_REFRESHED',
    kind: 'config',
    remedy: 'See `fieldwatch policies verify`.',
  });
