import { type MetricsRegistry, createMetrics } from '../adapters/http/metrics.ts';
import { createLogger } from '../adapters/log/logger.ts';
import { AlertLogFile } from '../adapters/notify/alert-log-file.ts';
import { limitHeapGrowth } from '../adapters/system/heap-growth.ts';
import { createSystemClock } from '../adapters/system/clock.ts';
import { readProtoFiles } from '../adapters/system/proto-files.ts';
import { type Supervision, startSupervision } from '../adapters/systemd/supervision.ts';
import { App } from '../app.ts';
import type { ShownConfig } from '../app/context.ts';
import { type LoadedConfig, loadConfig } from '../config/load.ts';
import { shownConfig } from '../config/print.ts';
import type { Config } from '../config/schema/index.ts';
import { supervisorOf } from '../config/supervisor.ts';
import { coalesce } from '../lib/serial-queue.ts';
import { endsWithin } from '../lib/timeout.ts';
import { version } from '../lib/version.ts';
import type { Logger } from '../ports/metrics.ts';
import { type Cli, type CliCommand, type ExitCode, configOption, subcommand } from './command.ts';
import { createPaint, wantsColor } from './output/terminal.ts';
import { terminalAlertLine } from './alerts/terminal-line.ts';

/** `fieldwatch run`: the daemon, until SIGTERM or SIGINT; SIGHUP reloads. */
export const runCommand: CliCommand = (cli) =>
  subcommand(
    'run',
    'run the daemon: with the embedded database and broker unless the configuration names real ones',
    'fieldwatch run --config /etc/fieldwatch/fieldwatch.yaml',
  )
    .option(...configOption)
    .addHelpText(
      'after',
      '\nSignals: SIGTERM and SIGINT stop it in order, SIGHUP reloads routes, rules and sensors.\n',
    )
    .action(cli.action((options: { config?: string }) => run(cli, options.config)));

/** The parts that a daemon needs before it starts: shared with the demo. */
export interface Assembly {
  readonly config: Config;
  readonly logger: Logger;
  readonly metrics: MetricsRegistry;
  readonly alertLog: AlertLogFile | undefined;
}

/** The configuration with the files that its routes name read in. */
export function loadDaemonConfig(
  cli: Cli,
  file: string | undefined,
): Pick<LoadedConfig, 'config' | 'located'> & { readonly shown: ShownConfig } {
  const loaded = loadConfig({ file, env: cli.env });
  const { config, located } = loaded;
  return {
    config: { ...config, routes: [...readProtoFiles(config.routes, located?.file)] },
    located,
    shown: () => shownConfig(loaded),
  };
}

export function assembly(
  cli: Cli,
  config: Config,
  level: Config['log']['level'] = config.log.level,
): Assembly {
  // The daemon's files on disk are readable by this user only, LevelDB's too, which accept no mode.
  process.umask(UMASK);
  limitHeapGrowth();
  const format =
    config.log.format === 'auto' ? (cli.stderr.isTTY === true ? 'pretty' : 'json') : config.log.format;
  const metrics = createMetrics();
  const dropped = metrics.counter(
    'fieldwatch_log_lines_dropped_total',
    'Log lines dropped because standard error was blocked',
  );
  const shortLine = terminalAlertLine(createPaint(wantsColor({ stdout: cli.stderr, env: cli.env })));
  const logger = createLogger({ level, format, shortLine, onDrop: () => dropped.inc() });
  metrics
    .gauge('fieldwatch_build_info', 'Build of the daemon, always 1', ['version', 'node'])
    .set(1, { version: version(), node: process.version });
  const path = config.log.alert_log;
  const alertLog = path === undefined ? undefined : new AlertLogFile(path, { logger, metrics });
  alertLog?.prepare();
  return { config, logger, metrics, alertLog };
}

const UMASK = 0o077;

async function run(cli: Cli, file: string | undefined): Promise<ExitCode> {
  const { config, located, shown } = loadDaemonConfig(cli, file);
  // Asked for before the start: a SIGTERM that comes meanwhile stops the daemon in order, too.
  const interrupted = cli.interrupted;
  // Until there is a configuration to reload, SIGHUP is ignored; by default Node ends the process.
  let hangup = () => {};
  cli.onHangup(() => hangup());
  const { logger, metrics, alertLog } = assembly(cli, config);
  logger.info({ version: version(), config: located?.file, node: process.version }, 'starting');
  const app = new App(config, { logger, metrics, shown, ...(alertLog === undefined ? {} : { alertLog }) });
  const supervision = startSupervision(supervisorOf(cli.env), { logger, alive: () => app.alive() });
  const early = await Promise.race([app.start(), interrupted]);
  if (early !== undefined) return giveUp(app, early, logger);
  const away = app.awaitsDatabase;
  const database = away === undefined ? 'there' : 'away';
  logger.info({ mqtt_url: app.urls.mqttUrl, http_port: app.httpPort, database }, 'ready');
  await supervision.ready(statusOf(app));
  void away?.then(() => supervision.status());
  hangup = coalesce(() => reload(cli, file, app, { logger, supervision, alertLog }));
  const signal = await interrupted;
  logger.info({ signal }, 'stopping');
  await supervision.stopping();
  await app.stop();
  alertLog?.close();
  logger.info({}, 'stopped');
  return 0;
}

/** The status text for `systemctl status`; undefined if nothing is to be reported. */
const statusOf = (app: App): string | undefined =>
  app.awaitsDatabase === undefined ? undefined : 'started without the database: readings go to the spool';

const GIVE_UP_MS = 3000;

/** Interrupted while it starts: nothing was received yet, so what cannot be released in time may be left. */
async function giveUp(app: App, signal: NodeJS.Signals, logger: Logger): Promise<ExitCode> {
  logger.info({ signal }, 'stopping before the start was complete');
  await endsWithin(app.stop(), GIVE_UP_MS, createSystemClock());
  return 0;
}

interface ReloadDeps {
  readonly logger: Logger;
  readonly supervision: Supervision;
  readonly alertLog: AlertLogFile | undefined;
}

/** A file with a fault is refused whole, and the configuration in force stays. */
async function reload(cli: Cli, file: string | undefined, app: App, deps: ReloadDeps): Promise<void> {
  const { logger, supervision, alertLog } = deps;
  await supervision.reloading();
  // logrotate sends SIGHUP as well: the file under the old name is closed.
  alertLog?.reopen();
  try {
    const next = loadDaemonConfig(cli, file);
    const { applied, needsRestart } = await app.reload(next.config, next.shown);
    logger.info({ applied, needs_restart: needsRestart }, 'configuration reloaded');
  } catch (error) {
    logger.error({ err: error }, 'reload refused, the configuration in force stays');
  }
  await supervision.ready(statusOf(app));
}
