import { Option } from 'commander';
import { loadConfig } from '../../config/load.ts';
import { alertsSchema } from '../../config/schema/alerts.ts';
import type { BacktestTally } from '../../core/alert/analysis/backtest.ts';
import { DifferenceSample, MetricSample, suggest } from '../../core/alert/analysis/suggest.ts';
import type { Side } from '../../core/alert/model.ts';
import type { AlertsConfig, Matchers } from '../../core/alert/rules/config.ts';
import { effectiveRule } from '../../core/alert/rules/effective.ts';
import { RuleSet } from '../../core/alert/rules/rule-set.ts';
import type { Db, TimeRange } from '../../queries/db.ts';
import { readingsInOrder } from '../../queries/readings-in-order.ts';
import { unknownSensor } from '../../queries/names.ts';
import { type SensorFactsRow, sensorFacts } from '../../queries/sensors.ts';
import { matchArgument } from '../alerts/silence.ts';
import { type Cli, type CliCommand, type ExitCode, subcommand, usage } from '../command.ts';
import { withDatabase } from '../database.ts';
import { runBacktest } from './backtest-run.ts';
import { type RangeOptions, chosenSensors, pastRange, withRange } from './backtest.ts';
import { suggestCount } from './suggest-count.ts';
import { type Counted, type Proposal, printSuggestions, ruleOf } from './suggest-report.ts';

interface Options extends RangeOptions {
  readonly metric?: string;
  readonly minus?: string;
  readonly minusSensor?: string;
  readonly count?: Matchers;
  readonly name?: string;
  readonly yaml?: boolean;
}

/** Names come from payloads, so the list is bounded. */
const METRICS = 500;

const EXAMPLE = [
  'fieldwatch rules suggest --location coldroom',
  'fieldwatch rules suggest --metric temperature --since 14d --yaml > new-alerts.yaml',
  'fieldwatch rules backtest --since 14d --rules new-alerts.yaml',
  'fieldwatch rules suggest --metric supply --minus return',
  'fieldwatch rules suggest --count location=cold,alert_type=temperature_high --name coldrooms_warm',
].join('\n');

/** `fieldwatch rules suggest`: limits around the usual values, and the episodes that they would have given. */
export const rulesSuggestCommand: CliCommand = (cli) =>
  withRange(subcommand('suggest', 'propose limits, hysteresis and delays from what is stored', EXAMPLE))
    .option('--metric <name>', 'only this metric')
    .option('--minus <metric>', 'limits of the difference to this metric; with --metric')
    .option('--minus-sensor <key>', 'the sensor of that metric (default: the same one)')
    .addOption(
      new Option(
        '--count <label=pattern,…>',
        'how many alerts of the present rules that match may be open at once, as for a silence',
      )
        .argParser(matchArgument)
        .conflicts(['metric', 'minus']),
    )
    .option('--name <name>', 'of the proposed count', 'several_alerts')
    .option('--yaml', 'print nothing but the rules')
    .action(cli.action((options: Options): Promise<ExitCode> => run(cli, options)));

async function run(cli: Cli, options: Options): Promise<ExitCode> {
  if (options.minus === undefined ? options.minusSensor !== undefined : options.metric === undefined)
    throw usage('--minus needs --metric, and --minus-sensor needs --minus');
  const { config } = loadConfig({ file: options.config, env: cli.env });
  const range = pastRange(options, Date.now());
  return withDatabase(cli, config, async (db): Promise<ExitCode> => {
    const sensors = await chosenSensors(db, options);
    if (options.count !== undefined) {
      const of = { name: options.name ?? '', of: options.count };
      return suggestCount(cli, db, { ...range, sensors }, config.alerts, { ...options, ...of });
    }
    const proposals = await proposalsOf(db, { ...range, sensors }, config.alerts, options);
    const current = new RuleSet(config.alerts);
    const counted = await count(cli, db, proposals, current, {
      ...{ ...range, sensors: await withPartner(db, sensors, options) },
      counted: new Set(sensors.map(({ key }) => key)),
    });
    printSuggestions(cli, counted, { ...options, ...range });
    return counted.some(({ suggestion }) => 'rule' in suggestion) ? 0 : 1;
  });
}

type Chosen = TimeRange & { readonly sensors: readonly SensorFactsRow[] };

/** The sensor that is subtracted is read, too. */
async function withPartner(
  db: Db,
  sensors: readonly SensorFactsRow[],
  { minusSensor }: Options,
): Promise<readonly SensorFactsRow[]> {
  if (minusSensor === undefined || sensors.some(({ key }) => key === minusSensor)) return sensors;
  const [partner] = await sensorFacts(db, { sensor: minusSensor });
  if (partner === undefined) throw await unknownSensor(db, minusSensor);
  return [...sensors, partner];
}

/** One look at all values of the range: a sample of each metric, or of one difference. */
async function proposalsOf(
  db: Db,
  chosen: Chosen,
  alerts: AlertsConfig,
  options: Options,
): Promise<readonly Proposal[]> {
  const { metric: only, minus: metric, minusSensor } = options;
  if (only === undefined || metric === undefined) return metricProposals(db, chosen, only);
  const minus = { metric, ...(minusSensor === undefined ? {} : { sensor: minusSensor }) };
  const sensors = await withPartner(db, chosen.sensors, options);
  const partnerId = sensors.find(({ key }) => key === minusSensor)?.id;
  const staleUs = effectiveRule(alerts, [], only).fields.stale_after * 1000;
  const sample = new DifferenceSample({ metric: only, minus: metric, partnerId, staleUs }, seeded());
  const own = new Set(chosen.sensors.map(({ id }) => id));
  const sensorIds = sensors.map(({ id }) => id);
  for await (const chunk of readingsInOrder(db, { from: chosen.from, to: chosen.to, sensorIds }))
    for (const { sensorId, timeUs, metrics } of chunk)
      sample.add(sensorId, timeUs, metrics, own.has(sensorId));
  const figures = sample.figures();
  return figures.values === 0 ? [] : [{ metric: only, minus, suggestion: suggest(figures) }];
}

async function metricProposals(db: Db, chosen: Chosen, only: string | undefined): Promise<Proposal[]> {
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
  return [...samples]
    .map(([metric, sample]) => ({ metric, suggestion: suggest(sample.figures()) }))
    .sort((a, b) => (a.metric < b.metric ? -1 : 1));
}

/** The episodes of the proposed rules, and those of the current ones, of the sensors that are `counted`. */
async function count(
  cli: Cli,
  db: Db,
  proposals: readonly Proposal[],
  current: RuleSet,
  { counted, ...chosen }: Chosen & { readonly counted: ReadonlySet<string> },
): Promise<readonly Counted[]> {
  const metrics = Object.fromEntries(proposals.flatMap(ruleOf));
  const proposed = new RuleSet(alertsSchema.parse({ metrics }));
  const { tallies } = await runBacktest(cli, db, [proposed, current], chosen);
  const sensors = chosen.sensors.filter(({ key }) => counted.has(key));
  return proposals.map((proposal) => ({
    ...proposal,
    proposed: episodesOf(tallies[0], sensors, proposed, proposal),
    current: episodesOf(tallies[1], sensors, current, proposal),
  }));
}

/** Episodes on both sides of a limit or a difference, whatever its name; suggestions have no other kinds. */
function episodesOf(
  tally: BacktestTally | undefined,
  sensors: readonly SensorFactsRow[],
  rules: RuleSet,
  { metric, minus }: Proposal,
): Counted['proposed'] {
  const kind = minus === undefined ? 'threshold' : 'difference';
  const sides = new Map<string, Side>();
  for (const sensor of sensors)
    for (const condition of rules.rulesFor(sensor).ruleOf(metric)?.conditions ?? [])
      if (condition.kind === kind && condition.minus?.metric === minus?.metric)
        sides.set(`${sensor.key} ${condition.alertType}`, condition.side);
  const episodes = { high: 0, low: 0 };
  for (const { sensor, alertType, episodes: number } of tally?.sensors.values() ?? []) {
    const side = sides.get(`${sensor} ${alertType}`);
    if (side === 'high' || side === 'low') episodes[side] += number;
  }
  return episodes;
}

/** A repeatable random source (a 31-bit LCG): the same stored values give the same suggestion. */
function seeded(): () => number {
  let state = 1;
  return () => (state = (state * 1_103_515_245 + 12_345) % 2_147_483_648) / 2_147_483_648;
}
