import { stringify } from 'yaml';
import type { BacktestTally } from '../../core/alert/analysis/backtest.ts';
import { type OpenAtOnce, suggestAtLeast } from '../../core/alert/analysis/suggest.ts';
import { type AlertsConfig, type Matchers, countKey } from '../../core/alert/rules/config.ts';
import { RuleSet } from '../../core/alert/rules/rule-set.ts';
import type { Db, TimeRange } from '../../queries/db.ts';
import type { SensorFactsRow } from '../../queries/sensors.ts';
import { type Cli, type ExitCode, print } from '../command.ts';
import { formatSeconds, formatTime } from '../output/format.ts';
import { jsonLine } from '../output/rows.ts';
import { type Column, tableLines } from '../output/table.ts';
import { createPaint, terminalWidth, wantsColor } from '../output/terminal.ts';
import { runBacktest } from './backtest-run.ts';

/** Numbers of open alerts that are tried: each is a rule of the backtest. */
const MOST = 50;

interface Wanted {
  readonly name: string;
  readonly of: Matchers;
  readonly json?: boolean;
  readonly yaml?: boolean;
}

const COLUMNS: readonly Column<OpenAtOnce>[] = [
  { title: 'at_least', value: ({ atLeast }) => atLeast },
  { title: 'episodes', value: ({ episodes }) => episodes },
  { title: 'open', value: ({ openS }) => openS, format: (_, { openS }) => formatSeconds(openS) },
  {
    title: 'longest',
    value: ({ longestS }) => longestS,
    format: (_, { longestS }) => formatSeconds(longestS),
  },
];

/** Proposes `at_least` of a count, and prints how often each number of alerts that match was open at once under the present rules. */
export async function suggestCount(
  cli: Cli,
  db: Db,
  chosen: TimeRange & { readonly sensors: readonly SensorFactsRow[] },
  alerts: AlertsConfig,
  wanted: Wanted,
): Promise<ExitCode> {
  const { from, to, sensors } = chosen;
  const numbers = Array.from(
    { length: Math.max(2, Math.min(MOST, sensors.length)) },
    (_, index) => index + 1,
  );
  const nameOf = (atLeast: number) => `open_${atLeast}`;
  const counts = numbers.map((atLeast) => ({ name: nameOf(atLeast), of: wanted.of, at_least: atLeast }));
  const { tallies } = await runBacktest(cli, db, [new RuleSet({ ...alerts, counts })], chosen);
  const open = numbers.map((atLeast) => openAtOnce(tallies[0], countKey(nameOf(atLeast)), atLeast));
  const suggestion = suggestAtLeast(open, (to.getTime() - from.getTime()) / 1000);
  const count =
    'none' in suggestion ? undefined : { name: wanted.name, of: wanted.of, at_least: suggestion.atLeast };
  const reached = open.filter(({ episodes, atLeast }) => episodes > 0 || atLeast === count?.at_least);
  if (wanted.json === true) {
    for (const row of reached) print(cli, jsonLine({ kind: 'open_at_once', ...row }));
    print(cli, jsonLine({ kind: 'suggestion', ...(count === undefined ? suggestion : { count }) }));
    return count === undefined ? 1 : 0;
  }
  if (wanted.yaml !== true && reached.length > 0)
    print(
      cli,
      `${tableLines(COLUMNS, reached, createPaint(wantsColor(cli)), terminalWidth(cli)).join('\n')}\n`,
    );
  if ('none' in suggestion) cli.stderr.write(`fieldwatch: no suggestion, ${suggestion.none}\n`);
  else {
    const about = `# suggested by the alerts that the present rules give from ${formatTime(from)} to ${formatTime(to)}`;
    print(cli, `${about}\n${stringify({ alerts: { counts: [count] } }).trimEnd()}`);
  }
  return count === undefined ? 1 : 0;
}

function openAtOnce(tally: BacktestTally | undefined, sensor: string, atLeast: number): OpenAtOnce {
  const found = [...(tally?.sensors.values() ?? [])].find((each) => each.sensor === sensor);
  const { episodes = 0, openS = 0, longestS = 0 } = found ?? {};
  return { atLeast, episodes, openS, longestS };
}
