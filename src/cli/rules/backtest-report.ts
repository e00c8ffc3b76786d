import {
  type BacktestEpisode,
  type BacktestTally,
  type Comparison,
  type SensorTally,
  compareEpisodes,
} from '../../core/alert/analysis/backtest.ts';
import { counted } from '../../core/counted.ts';
import type { TimeRange } from '../../queries/db.ts';
import { type Cli, print } from '../command.ts';
import { crossingText } from '../alerts/episode-text.ts';
import { formatSeconds, formatTime } from '../output/format.ts';
import { jsonLine } from '../output/rows.ts';
import { type Column, tableLines } from '../output/table.ts';
import { createPaint, wantsColor } from '../output/terminal.ts';
import type { BacktestResult } from './backtest-run.ts';

interface Form extends TimeRange {
  readonly json: boolean;
  readonly list: boolean;
}

/** The current rules alone, or beside the proposed ones and what they change. */
interface Report {
  readonly current: BacktestTally;
  readonly proposed: BacktestTally | undefined;
  readonly comparison: Comparison | undefined;
}

const SENSOR_ROWS = 20;

export function printBacktest(cli: Cli, result: BacktestResult, form: Form): void {
  const [current, proposed] = result.tallies;
  if (current === undefined) return;
  const comparison =
    proposed === undefined ? undefined : compareEpisodes(current.retained, proposed.retained);
  const report = { current, proposed, comparison };
  if (current.truncated || proposed?.truncated === true)
    cli.stderr.write(
      'fieldwatch: there are more episodes than are listed and compared; choose a shorter range or fewer sensors\n',
    );
  if (form.json) printJson(cli, result, report, form);
  else printTables(cli, result, report, form);
}

function printJson(cli: Cli, { readings, sensors }: BacktestResult, report: Report, form: Form): void {
  const line = (kind: string, fields: object) => print(cli, jsonLine({ kind, ...fields }));
  for (const [change, episode] of episodesOf(report))
    line('episode', { ...(change === undefined ? {} : { change }), ...episodeFields(episode) });
  for (const row of dayRows(report)) line('day', row);
  for (const row of sensorRows(report)) line('sensor', row);
  line('total', {
    ...{ from: form.from, until: form.to, readings, sensors },
    ...totals(report),
    truncated: report.current.truncated || report.proposed?.truncated === true,
  });
}

function printTables(cli: Cli, { readings, sensors }: BacktestResult, report: Report, form: Form): void {
  const paint = createPaint(wantsColor(cli));
  const compared = report.proposed !== undefined;
  const table = <Row>(columns: readonly Column<Row>[], rows: readonly Row[]) => {
    if (rows.length > 0) print(cli, `${tableLines(columns, rows, paint).join('\n')}\n`);
  };
  print(
    cli,
    `${formatTime(form.from)} to ${formatTime(form.to)}: ${readings.toLocaleString('en-US')} readings of ${counted(sensors, 'sensor')}\n`,
  );
  if (form.list) table(episodeColumns(compared), episodesOf(report));
  table([{ title: 'day', value: (row) => row.day }, ...countColumns(compared)], dayRows(report));
  const perSensor = sensorRows(report);
  table(sensorColumns(compared), perSensor.slice(0, SENSOR_ROWS));
  if (perSensor.length > SENSOR_ROWS) print(cli, `… and ${perSensor.length - SENSOR_ROWS} more\n`);
  const { episodes, proposed, gained, lost } = totals(report);
  print(
    cli,
    proposed === undefined
      ? counted(episodes, 'episode')
      : `${counted(episodes, 'episode')} now, ${proposed} with the file: ${gained ?? 0} gained, ${lost ?? 0} lost`,
  );
}

interface Counts {
  readonly episodes: number;
  readonly proposed?: number;
}
type DayRow = Counts & { readonly day: string };
type SensorRow = Counts & Omit<SensorTally, 'episodes'>;

function totals({ current, proposed, comparison }: Report) {
  return {
    episodes: current.episodes,
    ...(proposed === undefined ? {} : { proposed: proposed.episodes }),
    ...(comparison === undefined
      ? {}
      : { gained: comparison.gained.length, lost: comparison.lost.length, same: comparison.same.length }),
  } as Counts & { readonly gained?: number; readonly lost?: number; readonly same?: number };
}

function dayRows({ current, proposed }: Report): readonly DayRow[] {
  const days = [...new Set([...current.days.keys(), ...(proposed?.days.keys() ?? [])])].sort();
  return days.map((day) => ({
    day,
    episodes: current.days.get(day) ?? 0,
    ...(proposed === undefined ? {} : { proposed: proposed.days.get(day) ?? 0 }),
  }));
}

/** The noisiest first. */
function sensorRows({ current, proposed }: Report): readonly SensorRow[] {
  const keys = new Set([...current.sensors.keys(), ...(proposed?.sensors.keys() ?? [])]);
  const rows = [...keys].map((key): SensorRow => {
    const now = current.sensors.get(key);
    const then = proposed?.sensors.get(key);
    const shown = then ?? now;
    return {
      sensor: shown?.sensor ?? '',
      alertType: shown?.alertType ?? '',
      episodes: now?.episodes ?? 0,
      ...(proposed === undefined ? {} : { proposed: then?.episodes ?? 0 }),
      openS: shown?.openS ?? 0,
      longestS: shown?.longestS ?? 0,
    };
  });
  return rows.sort((a, b) => Math.max(b.episodes, b.proposed ?? 0) - Math.max(a.episodes, a.proposed ?? 0));
}

type Changed = readonly ['same' | 'gained' | 'lost' | undefined, BacktestEpisode];

function episodesOf({ current, comparison }: Report): readonly Changed[] {
  if (comparison === undefined) return current.retained.map((episode) => [undefined, episode]);
  return (['same', 'gained', 'lost'] as const)
    .flatMap((change) => comparison[change].map((episode): Changed => [change, episode]))
    .sort(([, a], [, b]) => (a.firedAtUs[0] ?? 0) - (b.firedAtUs[0] ?? 0));
}

const dateOf = (us: number | undefined): Date | null => (us === undefined ? null : new Date(us / 1000));

function episodeFields(episode: BacktestEpisode) {
  const { sensorKey: sensor, alertType, alertId, severity, value, threshold } = episode;
  return {
    time: dateOf(episode.firedAtUs[0]),
    ...{ sensor, alertType, severity, value, threshold, alertId },
    startedAt: dateOf(episode.startedAtUs),
    rows: episode.firedAtUs.length,
    resolvedAt: dateOf(episode.resolvedAtUs),
    resolvedValue: episode.resolvedValue,
    resolveReason: episode.reason ?? null,
    peakValue: episode.peakValue,
    flapping: episode.flapping,
  };
}

const countColumns = (compared: boolean): readonly Column<Counts>[] => [
  { title: compared ? 'now' : 'episodes', value: (row) => row.episodes },
  ...(compared ? [{ title: 'with the file', value: (row: Counts) => row.proposed ?? 0 }] : []),
];

const sensorColumns = (compared: boolean): readonly Column<SensorRow>[] => [
  { title: 'sensor', value: (row) => row.sensor },
  { title: 'alert_type', value: (row) => row.alertType },
  ...countColumns(compared),
  { title: 'open', value: (row) => row.openS, format: (_, row) => formatSeconds(row.openS) },
  { title: 'longest', value: (row) => row.longestS, format: (_, row) => formatSeconds(row.longestS) },
];

const episodeColumns = (compared: boolean): readonly Column<Changed>[] => [
  { title: 'time', value: ([, each]) => dateOf(each.firedAtUs[0]) },
  ...(compared ? [{ title: 'change', value: ([change]: Changed) => change }] : []),
  { title: 'sensor', value: ([, each]) => each.sensorKey },
  { title: 'alert_type', value: ([, each]) => each.alertType },
  { title: 'severity', value: ([, each]) => each.severity },
  {
    title: 'value',
    value: ([, each]) => each.value,
    format: (_, [, each]) => crossingText(each),
  },
  { title: 'resolved_at', value: ([, each]) => dateOf(each.resolvedAtUs) },
];
