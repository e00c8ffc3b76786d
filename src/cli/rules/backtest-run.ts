import { Backtest, BacktestTally } from '../../core/alert/analysis/backtest.ts';
import type { SensorFacts } from '../../core/alert/rules/effective.ts';
import type { RuleSet } from '../../core/alert/rules/rule-set.ts';
import type { Db, TimeRange } from '../../queries/db.ts';
import { readingsInOrder } from '../../queries/readings-in-order.ts';
import { alertId } from '../../services/alert/alert-id.ts';
import type { Cli } from '../command.ts';

/** Episodes that are kept for lists and comparisons; all of them are counted. */
const KEPT = 100_000;

const PROGRESS_MS = 2000;

export interface BacktestResult {
  readonly readings: number;
  /** Sensors that these rules ask something of. */
  readonly sensors: number;
  /** One per rule set, in their order. */
  readonly tallies: readonly BacktestTally[];
}

/** Each rule set over the same stored readings, which are read once. */
export async function runBacktest(
  cli: Pick<Cli, 'stderr'>,
  db: Db,
  ruleSets: readonly RuleSet[],
  { from, to, sensors }: TimeRange & { readonly sensors: readonly SensorFacts[] },
): Promise<BacktestResult> {
  const watched = new Map(
    sensors.filter((sensor) => ruleSets.some((rules) => asks(rules, sensor))).map((each) => [each.id, each]),
  );
  const tallies = ruleSets.map(() => new BacktestTally(to.getTime() * 1000, KEPT));
  const backtests = ruleSets.map(
    (rules, index) =>
      new Backtest(rules, {
        alertId,
        fromMs: from.getTime(),
        ended: (episode) => tallies[index]?.add(episode),
      }),
  );
  for (const backtest of backtests) backtest.know([...watched.values()]);
  let readings = 0;
  if (watched.size > 0) {
    const progress = progressOn(cli, { from, to });
    const sensorIds = [...watched.keys()];
    for await (const chunk of readingsInOrder(db, { from, to, sensorIds })) {
      readings += chunk.length;
      for (const { sensorId, timeUs, metrics } of chunk) {
        const sensor = watched.get(sensorId);
        if (sensor === undefined) continue;
        for (const backtest of backtests) backtest.reading(sensor, timeUs, metrics);
      }
      progress(readings, chunk.at(-1)?.timeUs ?? 0);
    }
  }
  backtests.forEach((backtest, index) => {
    for (const episode of backtest.end(to.getTime())) tallies[index]?.add(episode);
  });
  return { readings, sensors: watched.size, tallies };
}

const asks = (rules: RuleSet, sensor: SensorFacts): boolean => {
  const { named, wildcard, countsMessages } = rules.rulesFor(sensor);
  return named.length > 0 || wildcard || countsMessages;
};

/** A month of many sensors takes minutes: a terminal shows the progress. */
function progressOn(cli: Pick<Cli, 'stderr'>, { from, to }: TimeRange) {
  let notifiedMs = Date.now();
  return (readings: number, timeUs: number): void => {
    if (cli.stderr.isTTY !== true || Date.now() - notifiedMs < PROGRESS_MS) return;
    notifiedMs = Date.now();
    const share = (timeUs / 1000 - from.getTime()) / (to.getTime() - from.getTime());
    cli.stderr.write(
      `fieldwatch: ${Math.floor(share * 100)} %, ${readings.toLocaleString('en-US')} readings\n`,
    );
  };
}
