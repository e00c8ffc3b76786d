import { type Command, InvalidArgumentError, Option } from 'commander';
import { loadConfig } from '../../config/load.ts';
import { SEVERITIES, type Severity } from '../../core/alert/model.ts';
import {
  type EpisodeFilter,
  type EpisodeRow,
  LISTED_STATES,
  type ListedState,
  listEpisodes,
} from '../../queries/alert-episodes.ts';
import type { StatedUnit } from '../../core/metric-unit.ts';
import { plainText } from '../../core/printable.ts';
import type { Db } from '../../queries/db.ts';
import { presentKeys } from '../../queries/names.ts';
import { type Cli, type ExitCode, subcommand, usage } from '../command.ts';
import { withDatabase } from '../database.ts';
import { formatShortTime } from '../output/format.ts';
import { crossingText, shortId, shortStanding, standing, statedUnits } from './episode-text.ts';
import { type ReadOptions, rangeOf, withReadOptions } from '../read-command.ts';
import { jsonLine, limited, printRows } from '../output/rows.ts';
import { type Column, inZone } from '../output/table.ts';
import { watchList } from '../output/watch-list.ts';
import { type Zone, zoneOf, displayZoneOption } from '../zone.ts';

interface Options extends ReadOptions {
  readonly open?: boolean;
  readonly state?: ListedState;
  readonly severity?: readonly Severity[];
  readonly type?: string;
  readonly alertType?: string;
  readonly unacknowledged?: boolean;
  readonly watch?: boolean;
  readonly timezone?: Zone;
}

const columnsOf = (stated: StatedUnit, zone: Zone): readonly Column<EpisodeRow>[] =>
  inZone(episodeColumns(stated, zone), zone);

const episodeColumns = (stated: StatedUnit, zone: Zone): readonly Column<EpisodeRow>[] => [
  { title: 'id', value: ({ alertId }) => shortId(alertId) },
  {
    title: 'time',
    value: ({ time }) => time,
    narrow: (_, { time }) => formatShortTime(time, Date.now(), zone),
  },
  { title: 'sensor', value: ({ sensor }) => sensor },
  { title: 'location', value: ({ location }) => location, leaves: 2 },
  { title: 'alert_type', value: ({ alertType }) => alertType },
  { title: 'severity', value: ({ severity }) => severity },
  {
    title: 'value',
    value: ({ value }) => value,
    format: (_, row) => crossingText(row, stated),
    leaves: 3,
  },
  {
    title: 'state',
    value: (row) => standing(row, zone),
    narrow: (_, row) => plainText(shortStanding(row)),
  },
  {
    title: 'resolved_at',
    value: ({ resolvedAt }) => resolvedAt,
    leaves: 1,
  },
];

/** A table shows the crossing in one cell; CSV gives each number its own. */
const CSV_COLUMNS: readonly Column<EpisodeRow>[] = [
  { title: 'time', value: ({ time }) => time },
  { title: 'sensor', value: ({ sensor }) => sensor },
  { title: 'location', value: ({ location }) => location },
  { title: 'alert_type', value: ({ alertType }) => alertType },
  { title: 'severity', value: ({ severity }) => severity },
  { title: 'value', value: ({ value }) => value },
  { title: 'state', value: (row) => standing(row) },
  { title: 'threshold', value: ({ threshold }) => threshold },
  { title: 'resolved_at', value: ({ resolvedAt }) => resolvedAt },
  { title: 'peak_value', value: ({ peakValue }) => peakValue },
  { title: 'acked_at', value: ({ ackedAt }) => ackedAt },
  { title: 'acked_until', value: ({ ackedUntil }) => ackedUntil },
  { title: 'acked_by', value: ({ ackedBy }) => ackedBy },
  { title: 'suppressed', value: ({ suppressed }) => suppressed },
  { title: 'alert_id', value: ({ alertId }) => alertId },
  { title: 'message', value: ({ message }) => message },
];

/** The fields of JSON output: those of the query, without what only its pages need. */
export const episodeFields = (row: EpisodeRow) => ({
  ...{ time: row.time, sensorId: row.sensorId, sensor: row.sensor, name: row.name, location: row.location },
  ...{ type: row.type, alertType: row.alertType, metric: row.metric, kind: row.kind, severity: row.severity },
  ...{ state: row.state, message: row.message, value: row.value, threshold: row.threshold },
  ...{ alertId: row.alertId, startedAt: row.startedAt, resolvedAt: row.resolvedAt },
  ...{ resolvedValue: row.resolvedValue, resolveReason: row.resolveReason },
  peakValue: row.peakValue ?? row.peakSoFar,
  ...{ ackedAt: row.ackedAt, ackedBy: row.ackedBy, ackedUntil: row.ackedUntil },
  ...{ suppressed: row.suppressed, deferredBy: row.deferredBy, backfilled: row.backfilled },
});

function severityArgument(value: string, before: readonly Severity[] = []): readonly Severity[] {
  const severity = SEVERITIES.find((each) => each === value);
  if (severity === undefined) throw new InvalidArgumentError(`Expected one of ${SEVERITIES.join(', ')}.`);
  return [...before, severity];
}

/** `fieldwatch alerts list`. */
export const alertsListCommand = (cli: Cli): Command =>
  withReadOptions(
    subcommand(
      'list',
      'alerts, one line each from its firing until it resolves, newest first',
      'fieldwatch alerts list --open\n' +
        'fieldwatch alerts list --severity critical --location coldroom --unacknowledged --watch\n' +
        'fieldwatch alerts list --since 7d --alert-type temperature_high --json',
    ),
    '24h',
  )
    .option('--open', 'alerts that are open now, whenever they fired: --state open')
    .addOption(
      new Option(
        '--state <state>',
        'open and pending: now; resolved and all: those that fired since --since (default: all)',
      )
        .choices([...LISTED_STATES])
        .conflicts('open'),
    )
    .option('--severity <severity>', 'only of this severity; may be repeated', severityArgument)
    .option('--type <type>', 'only of sensors of this type')
    .option('--alert-type <type>', 'only of this alert type, such as temperature_high')
    .option('--unacknowledged', 'only those that are not acknowledged')
    .addOption(displayZoneOption())
    .option('--watch', 'show the list as it changes, until Ctrl-C; in a pipe a JSON line for each change')
    .action(cli.action((options: Options): Promise<ExitCode> => list(cli, options)));

async function list(cli: Cli, options: Options): Promise<ExitCode> {
  const { watch = false, csv = false } = options;
  if (watch && csv) throw usage('--watch prints a table or JSON lines, and no CSV');
  const { config } = loadConfig({ file: options.config, env: cli.env });
  const zone = zoneOf(config, options);
  // A watcher must not keep a database of its own open: the daemon could not start.
  const access = { readsOnly: true, mayStart: !watch };
  return withDatabase<ExitCode>(
    cli,
    config,
    async (db) => {
      const sensor = await presentKeys(db, options, { subjects: true });
      const chosen = sensor === undefined ? options : { ...options, sensor };
      const read = (limit: number | undefined) => episodesOf(db, chosen, limit);
      if (watch) {
        await watchList(cli, {
          read: () => read(options.limit.rows),
          columns: async () => columnsOf(await statedUnits(db), zone),
          zone,
          json: options.json,
          key: ({ alertId, sensorId, alertType, at }) => alertId ?? `${sensorId} ${alertType} ${at}`,
          mark: stateOf,
          line: (row) => jsonLine(episodeFields(row)),
        });
        return 0;
      }
      const rows = await limited(cli, options, read, 'alerts');
      if (options.json === true) printRows(cli, [], rows.map(episodeFields), options);
      else printRows(cli, csv ? CSV_COLUMNS : columnsOf(await statedUnits(db), zone), rows, options);
      return 0;
    },
    access,
  );
}

function episodesOf(db: Db, options: Options, limit: number | undefined): Promise<readonly EpisodeRow[]> {
  const { sensor, location, type, alertType, severity, unacknowledged } = options;
  const filter: EpisodeFilter = { sensor, location, type, alertType, severity };
  return listEpisodes(db, {
    ...filter,
    ...(unacknowledged === true ? { acked: false } : {}),
    state: options.state ?? (options.open === true ? 'open' : 'all'),
    range: () => rangeOf(options, Date.now()),
    limit,
  });
}

/** State of an episode whose change is worth a line: not its values. */
const stateOf = ({ state, severity, ackedAt, ackedUntil, deferredBy, resolvedAt }: EpisodeRow): string =>
  JSON.stringify([state, severity, ackedAt, ackedUntil, deferredBy, resolvedAt]);
