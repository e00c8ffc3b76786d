import type { Command } from 'commander';
import { loadConfig } from '../../config/load.ts';
import type { Config } from '../../config/schema/index.ts';
import { FieldwatchError } from '../../core/errors.ts';
import { alertChanges } from '../../queries/alerts.ts';
import type { Db, Selection } from '../../queries/db.ts';
import { presentKeys } from '../../queries/names.ts';
import { type AlertEvent, formatAlertLine } from './line.ts';
import { alertOfLogLine } from './log.ts';
import { AlertWatch, type WatchedAlert } from './watch.ts';
import { type Moment, momentArgument, numeric } from '../arguments.ts';
import { type Cli, type ExitCode, configOption, jsonOption, print, subcommand, usage } from '../command.ts';
import { withDatabase } from '../database.ts';
import { followFile } from './follow-file.ts';
import { pollDatabase } from '../poll-database.ts';
import { jsonLine } from '../output/rows.ts';
import { createPaint, wantsColor } from '../output/terminal.ts';
import { type Zone, zoneOf, displayZoneOption } from '../zone.ts';

interface TailOptions extends Selection {
  readonly config?: string;
  readonly json?: boolean;
  readonly follow?: boolean;
  readonly lines: number;
  readonly file?: string | true;
  readonly since?: Moment;
  readonly timezone?: Zone;
}

interface Tail extends TailOptions {
  readonly zone: Zone;
}

const FIRST_LOOK_MS = 24 * 3_600_000;
/** Late messages raise alerts with a past time: they are included as far back as this. */
const LOOK_BACK_MS = 3_600_000;
const ROWS = 5_000;

/** `fieldwatch alerts tail`: the last alerts, and with -f those to come. */
export const alertsTailCommand = (cli: Cli): Command =>
  subcommand(
    'tail',
    'the last alerts as lines, and with -f those to come; JSON lines in a pipe',
    'fieldwatch alerts tail -f --location coldroom\nfieldwatch alerts tail -f --file ./data/alerts.log | jq .sensor',
  )
    .option('-f, --follow', 'go on until Ctrl-C, also while the database is away')
    .option('-n, --lines <n>', 'lines to begin with', numeric(0, 1000), 10)
    .option('--file [path]', 'read the alert log instead of the database (default: log.alert_log)')
    .option('--sensor <key>', 'only this sensor')
    .option('--location <name>', 'only sensors of this location; not with --file')
    .option(
      '--since <when>',
      'timestamp or duration, e.g. 2026-01-01 or 30d, of the first line (default: 24h)',
      momentArgument,
    )
    .addOption(displayZoneOption())
    .option(...configOption)
    .option(...jsonOption)
    .action(
      cli.action(async (options: TailOptions): Promise<ExitCode> => {
        const { config } = loadConfig({ file: options.config, env: cli.env });
        const stop = new AbortController();
        if (options.follow === true) void cli.interrupted.then(() => stop.abort());
        const tail: Tail = { ...options, zone: zoneOf(config, options) };
        if (options.file !== undefined) await tailFile(cli, logPath(config, options), tail, stop.signal);
        else await tailDatabase(cli, config, tail, stop.signal);
        return 0;
      }),
    );

const asJson = (cli: Cli, { json }: TailOptions): boolean => json ?? cli.stdout.isTTY !== true;

const lineOf = (cli: Cli, event: AlertEvent, zone: Zone): string =>
  formatAlertLine(event, createPaint(wantsColor(cli)), { zone });

function logPath(config: Config, options: TailOptions): string {
  if (options.location !== undefined) throw usage('--location: the alert log does not name locations');
  const path = options.file === true ? config.log.alert_log : options.file;
  if (path === undefined) throw usage('--file: log.alert_log is not set, so a path is needed');
  return path;
}

async function tailFile(cli: Cli, path: string, options: Tail, signal: AbortSignal): Promise<void> {
  const since = options.since?.(Date.now()).getTime() ?? -Infinity;
  const lines = followFile(path, { lines: options.lines, follow: options.follow === true, signal });
  for await (const line of lines) {
    const event = alertOfLogLine(line);
    if (event === undefined || event.eventTimeMs < since) continue;
    if (options.sensor !== undefined && event.sensorKey !== options.sensor) continue;
    print(cli, asJson(cli, options) ? line : lineOf(cli, event, options.zone));
  }
}

async function tailDatabase(cli: Cli, config: Config, options: Tail, signal: AbortSignal) {
  const follow = options.follow === true;
  const show = (event: WatchedAlert) =>
    print(cli, asJson(cli, options) ? asLine(event) : lineOf(cli, event, options.zone));
  // A follower must not keep a database of its own open: the daemon could not start.
  await withDatabase(
    cli,
    config,
    async (db) => {
      const watch = new AlertWatch();
      await checkNames(cli, db, options);
      const first = options.since?.(Date.now()) ?? new Date(Date.now() - FIRST_LOOK_MS);
      const events = await update(db, watch, first, options);
      events.slice(Math.max(0, events.length - options.lines)).forEach(show);
      if (!follow) return;
      cli.stderr.write('fieldwatch: watching, Ctrl-C ends it\n');
      await pollDatabase(cli, {
        poll: async () => {
          const since = new Date(Date.now() - LOOK_BACK_MS);
          (await update(db, watch, since, options)).forEach(show);
        },
        signal,
      });
    },
    { mayStart: !follow, readsOnly: true },
  );
}

/** A follower may wait for a sensor that is still to come. */
async function checkNames(cli: Cli, db: Db, options: TailOptions): Promise<void> {
  try {
    await presentKeys(db, options, { subjects: true });
  } catch (error) {
    if (options.follow !== true || !(error instanceof FieldwatchError) || error.kind !== 'data') throw error;
    cli.stderr.write(`fieldwatch: ${error.message}; watching for it\n`);
  }
}

const update = async (db: Db, watch: AlertWatch, since: Date, { sensor, location }: Selection) =>
  watch.update(await alertChanges(db, { since, sensor, location, open: watch.open, limit: ROWS }));

/** Field names of the alert log. */
const asLine = ({ eventTimeMs, sensorKey, ...rest }: WatchedAlert): string =>
  jsonLine({ eventTime: new Date(eventTimeMs), sensor: sensorKey, ...rest });
