import type { Command } from 'commander';
import { verifyPolicies } from '../../app/operator/verify-policies.ts';
import { loadConfig } from '../../config/load.ts';
import { counted } from '../../core/counted.ts';
import { CHECKS } from '../../core/policy/check/index.ts';
import { type Finding, isNote } from '../../core/policy/finding.ts';
import { type PolicyPlan, planOf } from '../../core/policy/plan.ts';
import { plainText } from '../../core/printable.ts';
import type { Db } from '../../queries/db.ts';
import { type PolicyRow, listPolicies } from '../../queries/policies.ts';
import {
  type Cli,
  type CliCommand,
  type ExitCode,
  configOption,
  jsonOption,
  print,
  subcommand,
} from '../command.ts';
import { withDatabase, withDatabaseUrl } from '../database.ts';
import { withInvocation } from '../invocation.ts';
import { planCommand, repairCommand } from './repair.ts';
import { printRows } from '../output/rows.ts';
import type { Column } from '../output/table.ts';
import { type Paint, createPaint, wantsColor } from '../output/terminal.ts';

interface PolicyOptions {
  readonly config?: string;
  readonly json?: boolean;
}

/** `fieldwatch policies`: verifies compression, retention and aggregates. */
export const policiesCommand: CliCommand = (cli) =>
  subcommand(
    'policies',
    'verify, show and repair the policies of the database',
    'fieldwatch policies verify\nfieldwatch policies show --json\nfieldwatch policies repair --dry-run',
  )
    .addCommand(verifyCommand(cli))
    .addCommand(showCommand(cli))
    .addCommand(planCommand(cli))
    .addCommand(repairCommand(cli));

function verifyCommand(cli: Cli): Command {
  return subcommand(
    'verify',
    'compare the database with what is declared; exit 1 on a finding',
    'fieldwatch policies verify || echo "the database needs attention"',
  )
    .option(...configOption)
    .option(...jsonOption)
    .action(
      cli.action(async (options: PolicyOptions): Promise<ExitCode> => {
        const { config } = loadConfig({ file: options.config, env: cli.env });
        const findings = await withDatabaseUrl(cli, config, (url) => verifyPolicies(config, url, 'cli'), {
          refuseNewer: 'if readable',
        });
        const ok = findings.every(isNote);
        if (options.json === true) print(cli, JSON.stringify({ ok, findings }));
        else printFindings(cli, findings, CHECKS.length);
        return ok ? 0 : 1;
      }),
    );
}

function showCommand(cli: Cli): Command {
  return subcommand('show', 'every declared policy, its job and its last run', 'fieldwatch policies show')
    .option(...configOption)
    .option(...jsonOption)
    .action(
      onPlan<PolicyOptions>(cli, async (db, plan, options) => {
        printRows(cli, COLUMNS, await listPolicies(db, plan), { json: options.json });
        return 0;
      }),
    );
}

/** An action that has the declared plan, and the database for as long as it runs. */
export const onPlan = <Options extends PolicyOptions>(
  cli: Cli,
  run: (db: Db, plan: PolicyPlan, options: Options) => Promise<ExitCode>,
) =>
  cli.action(async (options: Options): Promise<ExitCode> => {
    const { config } = loadConfig({ file: options.config, env: cli.env });
    return withDatabase(cli, config, (db) => run(db, planOf(config.policies), options));
  });

const COLUMNS: readonly Column<PolicyRow>[] = [
  { title: 'relation', value: (row) => row.relation },
  { title: 'policy', value: (row) => row.policy },
  { title: 'verdict', value: (row) => row.verdict },
  { title: 'declared', value: (row) => row.declared },
  { title: 'job', value: (row) => row.job },
  { title: 'last run', value: (row) => row.lastRun },
  {
    title: 'ok',
    value: (row) => row.lastRunOk,
    format: (value) => (value === null ? '-' : value === true ? 'yes' : 'no'),
  },
  { title: 'next run', value: (row) => row.nextRun },
];

/** A block per finding: a table would cut the one thing that matters, the remedy. */
function printFindings(cli: Cli, findings: readonly Finding[], checks: number): void {
  const paint = createPaint(wantsColor(cli));
  for (const finding of findings) {
    const { subject, verdict, check, expected, actual, remedy } = finding;
    print(
      cli,
      `${colour(paint, finding)(verdict.toUpperCase())} ${paint.bold(plainText(subject))} ${paint.dim(`(${check})`)}`,
    );
    print(cli, `  expected  ${plainText(expected)}`);
    print(cli, `  actual    ${plainText(actual)}`);
    print(cli, `  remedy    ${plainText(withInvocation(remedy, cli))}`);
  }
  const asked = counted(checks, 'check');
  print(
    cli,
    findings.length === 0
      ? paint.green(`ok: ${asked}, no finding`)
      : `${asked}, ${counted(findings.length, 'finding')}`,
  );
}

function colour(paint: Paint, { severity }: Finding): (text: string) => string {
  return { critical: paint.red, warning: paint.yellow, info: paint.cyan }[severity];
}
