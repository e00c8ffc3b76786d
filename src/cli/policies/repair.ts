import type { RepairEffect, RepairStep } from '../../core/policy/check.ts';
import { type Command, InvalidArgumentError } from 'commander';
import { createCatalog } from '../../adapters/timescale/policy/catalog.ts';
import { createStatementExecutor } from '../../adapters/timescale/policy/statement-executor.ts';
import { databaseOptions } from '../../app/options.ts';
import { loadConfig } from '../../config/load.ts';
import { counted } from '../../core/counted.ts';
import { assess } from '../../core/policy/assess.ts';
import { CHECKS } from '../../core/policy/check/index.ts';
import { isNote } from '../../core/policy/finding.ts';
import { planOf } from '../../core/policy/plan.ts';
import { type RepairPlan, planSteps } from '../../core/policy/repair/repair-plan.ts';
import { plainText } from '../../core/printable.ts';
import { type StepRun, runRepair } from '../../services/policy/repair-runner.ts';
import { type Cli, type ExitCode, configOption, jsonOption, print, subcommand } from '../command.ts';
import { withDatabaseUrl } from '../database.ts';
import { createPaint, wantsColor } from '../output/terminal.ts';

interface RepairCommandOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly only?: readonly string[];
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

const NAMES = CHECKS.map(({ name }) => name);
const WITHOUT_DELETING: readonly RepairEffect[] = ['settings', 'refresh', 'compress'];

const onlyOption = [
  '--only <checks>',
  `only findings of these checks, comma-separated: ${NAMES.join(', ')}`,
] as const;

function checkNames(value: string): readonly string[] {
  const names = value.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !NAMES.includes(name));
  if (unknown !== undefined)
    throw new InvalidArgumentError(`No check "${unknown}"; expected ${NAMES.join(', ')}.`);
  return names;
}

export function planCommand(cli: Cli): Command {
  return subcommand(
    'plan',
    'print the SQL that `repair` would run; change nothing',
    'fieldwatch policies plan',
  )
    .option(...configOption)
    .option(...onlyOption, checkNames)
    .option(...jsonOption)
    .action(cli.action((options: RepairCommandOptions) => repair(cli, { ...options, dryRun: true })));
}

export function repairCommand(cli: Cli): Command {
  return subcommand(
    'repair',
    'repair what the checks find, in slices; resumable, and deleting only with --yes',
    'fieldwatch policies repair --dry-run\nfieldwatch policies repair --only compression,refresh\nfieldwatch policies repair --only retention --yes',
  )
    .option(...configOption)
    .option(...onlyOption, checkNames)
    .option('--dry-run', 'print the statements without running them, as `plan` does')
    .option(
      '--yes',
      'also what deletes: drop chunks past their declared retention, and let a retention job run that would',
    )
    .option(...jsonOption)
    .action(cli.action((options: RepairCommandOptions) => repair(cli, options)));
}

async function repair(cli: Cli, options: RepairCommandOptions): Promise<ExitCode> {
  const { config } = loadConfig({ file: options.config, env: cli.env });
  const plan = planOf(config.policies);
  return withDatabaseUrl(
    cli,
    config,
    async (url) => {
      const database = databaseOptions(config, url, 'repair');
      const catalog = createCatalog({ ...database, statementTimeoutMs: 60_000 });
      const executor = createStatementExecutor(database);
      try {
        if (options.dryRun === true) {
          const assessment = await assess(catalog, plan, CHECKS, options.only);
          return printPlan(cli, await planSteps(catalog, plan, assessment), options);
        }
        const stop = new AbortController();
        void cli.interrupted.then(() => stop.abort());
        const { runs, left } = await runRepair({
          ...{ catalog, executor, plan, checks: CHECKS, signal: stop.signal },
          only: options.only ?? [],
          effects: options.yes === true ? [...WITHOUT_DELETING, 'drop'] : WITHOUT_DELETING,
          onStep: (run) => {
            if (options.json !== true) print(cli, stepLine(cli, run));
          },
        });
        return printResult(cli, runs, left, options);
      } finally {
        await executor.close();
        await catalog.close();
      }
    },
    { refuseNewer: true },
  );
}

function printPlan(cli: Cli, { steps, refused }: RepairPlan, { json }: RepairCommandOptions): ExitCode {
  if (json === true) {
    print(cli, JSON.stringify({ steps, refused }));
    return 0;
  }
  for (const step of steps) print(cli, `-- ${title(step)}\n${step.sql};\n`);
  for (const { check, subject, reason } of refused) {
    print(cli, plainText(`-- left to you: ${subject} (${check}): ${reason}`));
  }
  if (steps.length === 0 && refused.length === 0) print(cli, '-- nothing to repair');
  return 0;
}

/** The subject of a step; a deletion comes first. */
const title = (step: RepairStep): string =>
  `${step.effect === 'drop' ? 'DELETES (needs --yes): ' : ''}${step.about}${step.sliced === true ? '; repeated until done = 0' : ''}`;

function stepLine(cli: Cli, { step, done, error }: StepRun): string {
  const paint = createPaint(wantsColor(cli));
  const count = step.sliced === true ? ` (${counted(done, 'chunk')})` : '';
  return error === undefined
    ? `${paint.green('done')}    ${step.about}${count}`
    : `${paint.red('failed')}  ${step.about}${count}: ${plainText(error)}`;
}

function printResult(
  cli: Cli,
  runs: readonly StepRun[],
  left: RepairPlan,
  { json }: RepairCommandOptions,
): ExitCode {
  const remaining = left.findings.filter((finding) => !isNote(finding));
  if (json === true) {
    print(
      cli,
      JSON.stringify({ runs, left: { steps: left.steps, refused: left.refused, findings: remaining } }),
    );
  } else {
    for (const step of left.steps) print(cli, `left    ${title(step)}`);
    for (const { subject, check, reason } of left.refused) {
      print(cli, plainText(`left    ${subject} (${check}), for you: ${reason}`));
    }
    if (remaining.length === 0) print(cli, runs.length === 0 ? 'nothing to repair' : 'all is well');
  }
  return remaining.length === 0 ? 0 : 1;
}
