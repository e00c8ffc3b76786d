import { identityOf } from '../../core/alert/engine/alert-key.ts';
import type { Command } from 'commander';
import { loadConfig } from '../../config/load.ts';
import type { Config } from '../../config/schema/index.ts';
import { metricRetention } from '../../core/policy/metric-retention.ts';
import { planOf } from '../../core/policy/plan.ts';
import type { SeriesColumns } from '../../queries/series.ts';
import { chooseSeries } from '../../queries/series.ts';
import { courseOf, curveOf } from '../../queries/alert-course.ts';
import {
  type EpisodeRecord,
  episodeRecord,
  metricAndKind,
  newestEpisodeOf,
  silencesOf,
} from '../../queries/alert-episodes.ts';
import type { Db } from '../../queries/db.ts';
import { presentKeys } from '../../queries/names.ts';
import { pastNotifications } from '../../queries/past-notifications.ts';
import { notifySinks } from '../../queries/status.ts';
import { isAlertId, unknownAlert, wholeAlertId } from './id-argument.ts';
import { sentencesOf } from './sentences.ts';
import { type AlertStory, type Curve, storyDocument, storyLines } from './story.ts';
import { type Cli, type ExitCode, configOption, jsonOption, print, subcommand, usage } from '../command.ts';
import { withDatabase } from '../database.ts';
import { configInForce } from '../demo/story.ts';
import { statedUnits } from './episode-text.ts';
import { routesOfDeliveries } from './routes-of-deliveries.ts';
import { createPaint, terminalWidth, wantsColor } from '../output/terminal.ts';
import { type Zone, zoneOf, displayZoneOption } from '../zone.ts';

interface Options {
  readonly config?: string;
  readonly json?: boolean;
  readonly timezone?: Zone;
}

/** `fieldwatch alerts show`. */
export const alertsShowCommand = (cli: Cli): Command =>
  subcommand(
    'show',
    'one alert: its course, the values around it, who was notified when, acknowledgements and silences',
    'fieldwatch alerts show 7b0e3c52\nfieldwatch alerts show coldroom-07 temperature_high',
  )
    .argument('<alert>', 'the alert_id or its first digits, or the key of the sensor')
    .argument('[alert_type]', 'the type of the alert, after the key of a sensor: the newest one')
    .addOption(displayZoneOption())
    .option(...configOption)
    .option(...jsonOption)
    .action(
      cli.action((alert: string, alertType: string | undefined, options: Options) =>
        show(cli, alert, alertType, options),
      ),
    );

/** Also where there is no terminal. */
const WIDEST = 120;

async function show(
  cli: Cli,
  alert: string,
  alertType: string | undefined,
  options: Options,
): Promise<ExitCode> {
  if (alertType === undefined && !isAlertId(alert))
    throw usage(
      `"${alert}" is no alert_id; expected one or its first digits, or a sensor's key and an alert type`,
      '`fieldwatch alerts list` shows both',
    );
  const config = configInForce(loadConfig({ file: options.config, env: cli.env }).config);
  const zone = zoneOf(config, options);
  const width = Math.min(terminalWidth(cli), WIDEST);
  return withDatabase<ExitCode>(
    cli,
    config,
    async (db) => {
      const story = await readStory(db, config, await alertNamed(db, alert, alertType), 2 * width);
      if (options.json === true) print(cli, JSON.stringify(storyDocument(story)));
      else for (const line of storyLines(story, createPaint(wantsColor(cli)), width, zone)) print(cli, line);
      return 0;
    },
    { readsOnly: true },
  );
}

async function alertNamed(db: Db, alert: string, alertType: string | undefined): Promise<string> {
  if (alertType === undefined) return wholeAlertId(db, alert);
  const [sensor = alert] = (await presentKeys(db, { sensor: alert })) ?? [];
  const found = await newestEpisodeOf(db, { sensor, alertType });
  if (found === undefined) throw unknownAlert(`of ${alert} has the type ${alertType}`);
  return found;
}

async function readStory(db: Db, config: Config, alertId: string, points: number): Promise<AlertStory> {
  const record = await episodeRecord(db, alertId);
  if (record === undefined) throw unknownAlert(alertId);
  const nowMs = Date.now();
  const stated = await statedUnits(db);
  const sinks = new Set(record.deliveries.map(({ sink }) => sink));
  return {
    nowMs,
    record,
    steps: courseOf(record),
    silences: await silencesOf(db, record),
    stated,
    worded: sentencesOf(await pastNotifications(db, alertId), stated),
    curve: await curveAround(db, config, record, { nowMs, points }),
    sinks: (await notifySinks(db)).filter(({ name }) => sinks.has(name)),
    routes: await routesOfDeliveries(db, config, record),
  };
}

/** The values of its metric from before the first breach until after the end, in `points` equal steps. */
async function curveAround(
  db: Db,
  config: Config,
  record: EpisodeRecord,
  { nowMs, points }: { readonly nowMs: number; readonly points: number },
): Promise<Curve | undefined> {
  const { episode: row } = record;
  const around = curveOf(record, metricAndKind(row).metric, nowMs);
  if (around === null) return undefined;
  const range = { fromMs: around.from.getTime(), toMs: around.to.getTime(), points };
  const retention = metricRetention(planOf(config.policies));
  const chosen = await chooseSeries(db, row.sensorId, [around.metric], { range, retention, nowMs });
  // From each bucket the extreme on the side of the limit.
  const { side } = identityOf(row);
  const of = side === 'low' ? 'min' : side === 'high' ? 'max' : 'mean';
  for await (const columns of chosen.columns) return { ...around, values: spread(columns, of, range) };
  return undefined;
}

function spread(
  columns: SeriesColumns,
  of: 'min' | 'max' | 'mean',
  { fromMs, toMs, points }: { readonly fromMs: number; readonly toMs: number; readonly points: number },
): (number | null)[] {
  const values = new Array<number | null>(points).fill(null);
  columns.time.forEach((ms, index) => {
    const at = Math.round(((ms - fromMs) / (toMs - fromMs)) * (points - 1));
    if (at >= 0 && at < points) values[at] = columns[of][index] ?? null;
  });
  return values;
}
