import { loadConfig } from '../../config/load.ts';
import { alertsSchema } from '../../config/schema/alerts.ts';
import type { BacktestTally } from '../../core/alert/analysis/backtest.ts';
import { MetricSample, type Suggestion, suggest } from '../../core/alert/analysis/suggest.ts';
import { RuleSet } from '../../core/alert/rules/rule-set.ts';
import type { Db, TimeRange } from '../../queries/db.ts';
import { readingsInOrder } from '../../queries/readings-in-order.ts';
import type { SensorFactsRow } from '../../queries/sensors.ts';
import { type Cli, type CliCommand, type ExitCode, subcommand } from '../command.ts';
import { withDatabase } from '../database.ts';
import { runBacktest } from './backtest-run.ts';
import { type RangeOptions, chosenSensors, pastRange, withRange } from './backtest.ts';
import { type Counted, fieldsOf, printSuggestions } from './suggest-report.ts';

interface Options extends RangeOptions {
  readonly metric?: string;
  readonly yaml?: boolean;
}

/** Names come from payloads, so the list is bounded. */
const METRICS = 500;

const EXAMPLE = [
  'fieldwatch rules suggest --location coldroom',
  'fieldwatch rules suggest --metric temperature --since 14d --yaml > new-alerts.yaml',
  'fieldwatch rules backtest --since 14d --rules new-alerts.yaml',
].join('\n');

/** `fieldwatch rules suggest`: limits around the usual values, and the episodes that they would have given. */
export const rulesSuggestCommand: CliCommand = (cli) =>
  withRange(subcommand('suggest', 'propose limits, hysteresis and delays from what is stored', EXAMPLE))
    .option('--metric <name>', 'only this metric')
    .option('--yaml', 'print nothing but the rules')
    .action(cli.action((options: Options): Promise<ExitCode> => run(cli, options)));

async function run(cli: Cli, options: Options): Promise<ExitCode> {
  const { config } = loadConfig({ file: options.config, env: cli.env });
  const range = pastRange(options, Date.now());
  return withDatabase(cli, config, async (db): Promise<ExitCode> => {
    const sensors = await chosenSensors(db, options);
    const suggestions = await suggestionsOf(db, { ...range, sensors }, options.metric);
    const current = new RuleSet(config.alerts);
    const counted = await count(cli, db, suggestions, current, { ...range, sensors });
    printSuggestions(cli, counted, { ...options, ...range });
    return counted.some(({ suggestion }) => 'rule' in suggestion) ? 0 : 1;
  });
}

type Chosen = TimeRange & { readonly sensors: readonly SensorFactsRow[] };

/** One look at all values of the range: a sample of each metric. */
async function suggestionsOf(db: Db, chosen: Chosen, only: string | undefined): Promise<Suggestion[]> {
  const random = seeded();
  const samples = new Map<string, MetricSample>();
  const sensorIds = chosen.sensors.map(({ id }) => id);
  for await (const chunk of readingsInOrder(db, { from: chosen.from, to: chosen.to, sensorIds }))
    for (const { sensorId, timeUs, metrics } of chunk)
      for (const [metric, value] of metrics) {
        if (only !== undefined && metric !== only) continue;
        let sample = samples.get(metric);
        if (sample === undefined) {
          if (samples.size >= METRICS) continue;
          samples.set(metric, (sample = new MetricSample(metric, random)));
        }
        sample.add(sensorId, timeUs, value);
      }
  return [...samples.values()]
    .map((sample) => suggest(sample.figures()))
    .sort((a, b) => (a.figures.metric < b.figures.metric ? -1 : 1));
}

/** The episodes of the proposed rules, and those of the current ones. */
async function count(
  cli: Cli,
  db: Db,
  suggestions: readonly Suggestion[],
  current: RuleSet,
  chosen: Chosen,
): Promise<readonly Counted[]> {
  const metrics = Object.fromEntries(
    suggestions.flatMap((each) => ('rule' in each ? [[each.figures.metric, fieldsOf(each.rule)]] : [])),
  );
  const proposed = new RuleSet(alertsSchema.parse({ metrics }));
  const { tallies } = await runBacktest(cli, db, [proposed, current], chosen);
  return suggestions.map((suggestion) => ({
    suggestion,
    proposed: episodesOf(tallies[0], suggestion.figures.metric),
    current: episodesOf(tallies[1], suggestion.figures.metric),
  }));
}

/** Of the two sides of a limit; other kinds are not what is suggested. */
function episodesOf(tally: BacktestTally | undefined, metric: string): { high: number; low: number } {
  const sum = (alertType: string) =>
    [...(tally?.sensors.values() ?? [])].reduce(
      (total, each) => total + (each.alertType === alertType ? each.episodes : 0),
      0,
    );
  return { high: sum(`${metric}_high`), low: sum(`${metric}_low`) };
}

/** The same stored values give the same suggestion: what is in the sample is chance, and repeatable (a 31-bit LCG). */
function seeded(): () => number {
  let state = 1;
  return () => (state = (state * 1_103_515_245 + 12_345) % 2_147_483_648) / 2_147_483_648;
}
