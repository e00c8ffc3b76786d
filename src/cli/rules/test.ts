import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '../../config/load.ts';
import { runScenario } from '../../core/alert/analysis/scenario.ts';
import { FieldwatchError, messageOf } from '../../core/errors.ts';
import { alertId } from '../../services/alert/alert-id.ts';
import { type Cli, type CliCommand, type ExitCode, jsonOption, print, subcommand } from '../command.ts';
import { compare } from './compare.ts';
import { type OutcomeLines, linesOf } from './outcome-lines.ts';
import { type ScenarioCase, type ScenarioDefaults, readScenarios } from './scenario-file.ts';
import { notifyOf } from './scenario-sinks.ts';

interface Options {
  readonly config?: string;
  readonly json?: boolean;
}

const EXAMPLE = [
  'fieldwatch rules test rules/*.yaml',
  'fieldwatch rules test --json rules/storm.yaml | jq .',
].join('\n');

/** `fieldwatch rules test`: timelines through the engine that the daemon runs. */
export const rulesTestCommand: CliCommand = (cli) =>
  subcommand(
    'test',
    'run scenario files through the alert engine; exit 1 if one gives something else',
    EXAMPLE,
  )
    .argument('<files...>', 'scenario files (YAML), or folders of them')
    .option('--config <file>', 'configuration whose alerts and notify scenarios have that leave them out')
    .option(...jsonOption)
    .action(
      cli.action(async (files: string[], options: Options): Promise<ExitCode> =>
        testRules(cli, files, options),
      ),
    );

function testRules(cli: Cli, files: readonly string[], { json, config: configFile }: Options): ExitCode {
  const defaults = configFile === undefined ? undefined : defaultsOf(configFile, cli);
  let failed = 0;
  let passed = 0;
  for (const file of files.flatMap(expand)) {
    for (const each of load(file, defaults)) {
      const actual = linesOf(runScenario(each.scenario, alertId), each);
      const differences = compare(each.expect, actual);
      if (differences.length === 0) passed++;
      else failed++;
      if (json === true) printJson(cli, file, each, actual, differences);
      else printResult(cli, file, each, actual, differences);
    }
  }
  if (json !== true) print(cli, `${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

function expand(path: string): string[] {
  try {
    if (!statSync(path).isDirectory()) return [path];
    return readdirSync(path)
      .filter((name) => /\.ya?ml$/.test(name))
      .sort()
      .map((name) => join(path, name));
  } catch (error) {
    throw unreadable(path, error);
  }
}

function defaultsOf(file: string, cli: Cli): ScenarioDefaults {
  const { config } = loadConfig({ file, env: cli.env });
  return { alerts: config.alerts, notify: notifyOf(config) };
}

function load(file: string, defaults: ScenarioDefaults | undefined): readonly ScenarioCase[] {
  try {
    return readScenarios(readFileSync(file, 'utf8'), file, defaults);
  } catch (error) {
    if (error instanceof FieldwatchError) throw error;
    throw unreadable(file, error);
  }
}

function unreadable(path: string, cause: unknown): FieldwatchError {
  return new FieldwatchError(`${path}: ${messageOf(cause)}`, {
    code: 'SCENARIO_INVALID',
    kind: 'config',
    remedy: 'docs/alerts.md shows what a scenario file holds',
    cause,
  });
}

/** Every transition, row and notification, whether or not anything was expected; then the verdict. */
function printJson(
  cli: Cli,
  file: string,
  { name }: ScenarioCase,
  actual: OutcomeLines,
  differences: readonly string[],
): void {
  const line = (kind: string, fields: object) =>
    print(cli, JSON.stringify({ kind, file, scenario: name, ...fields }));
  for (const each of actual.transitions) line('transition', each);
  for (const each of actual.rows) line('row', each);
  for (const each of actual.notifications) line('notification', each);
  for (const each of actual.notified) line('notified', each);
  for (const each of actual.refused) line('refused_reload', each);
  line('counts', { ...actual.counts, refused_reloads: actual.refused.length });
  line('result', { ok: differences.length === 0, differences });
}

function printResult(
  cli: Cli,
  file: string,
  { name, expect }: ScenarioCase,
  { refused }: OutcomeLines,
  differences: readonly string[],
): void {
  print(cli, `${differences.length === 0 ? 'ok  ' : 'FAIL'} ${file}${name === '' ? '' : `: ${name}`}`);
  for (const difference of differences) print(cli, `     ${difference}`);
  // A refused reload that the scenario does not expect may be a typing error.
  if (expect.refused_reloads !== undefined) return;
  for (const { at, faults } of refused) print(cli, `     reload at ${at} was refused: ${faults.join('; ')}`);
}
