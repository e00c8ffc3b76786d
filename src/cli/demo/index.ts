import { definitionOf } from '../../sinks/index.ts';
import { join, relative } from 'node:path';
import { createSystemClock } from '../../adapters/system/clock.ts';
import { App } from '../../app.ts';
import type { Config } from '../../config/schema/index.ts';
import { counted } from '../../core/counted.ts';
import { messageOf } from '../../core/errors.ts';
import { passwordFile } from '../../embedded/password.ts';
import { PollLoop } from '../../lib/poll-loop.ts';
import { coalesce } from '../../lib/serial-queue.ts';
import type { Logger } from '../../ports/metrics.ts';
import type { Clock } from '../../ports/time.ts';
import { type Simulator, startSimulator } from '../../simulator/publisher.ts';
import { hasStory } from '../../simulator/story.ts';
import { numeric } from '../arguments.ts';
import { type Cli, type CliCommand, type ExitCode, configOption, subcommand } from '../command.ts';
import { demoFolderFor } from './folder.ts';
import { withFreePort, withRoute, withSink, withStory } from './story.ts';
import { withDemoToken } from './token.ts';
import { type DemoView, createDemoView } from './view.ts';
import { type Invocation, withInvocation } from '../invocation.ts';
import { assembly, loadDaemonConfig } from '../run.ts';
import { hasLostTerminal } from '../output/terminal.ts';

interface DemoOptions {
  readonly config?: string;
  readonly sensors: number;
  readonly rate: number;
  readonly seconds?: number;
}

const PROGRESS_EVERY_MS = 500;

/** `fieldwatch demo`: broker, database, daemon and simulated sensors on one machine. */
export const demoCommand: CliCommand = (cli) =>
  subcommand(
    'demo',
    'embedded TimescaleDB, embedded broker, the daemon and simulated sensors, until Ctrl-C',
    'fieldwatch demo --sensors 50 --rate 100\nFIELDWATCH_EMBEDDED_MQTT_PORT=1884 fieldwatch demo',
  )
    .option(...configOption)
    .option('--sensors <n>', 'simulated sensors', numeric(1, 100_000), 50)
    .option('--rate <n>', 'messages a second in all', numeric(1, 100_000), 100)
    .option('--seconds <n>', 'end after this many seconds', numeric(1, 1e9))
    .action(cli.action((options: DemoOptions) => demo(cli, options)));

async function demo(cli: Cli, options: DemoOptions): Promise<ExitCode> {
  const { config: given, shown } = loadDaemonConfig(cli, options.config);
  const story = hasStory(options.sensors);
  const prepared = (loaded: Config): Config => {
    const own = withRoute(withSink(withDemoToken(inOwnFolder(loaded))));
    return story ? withStory(own) : own;
  };
  const config = await withFreePort(prepared(given));
  const clock = createSystemClock();
  const interrupted = cli.interrupted;
  // Until it runs there is nothing to reload; by default Node ends the process.
  let hangup = () => {};
  cli.onHangup(() => hangup());
  const view = viewOn(cli);
  view.note('starting the embedded TimescaleDB and broker …');
  // Warnings and errors only: the view shows the rest.
  const { logger, metrics, alertLog } = assembly(cli, config, 'warn');
  const app = new App(config, {
    logger: quietAboutAlerts(logger),
    metrics,
    shown,
    ...(alertLog === undefined ? {} : { alertLog }),
    onAlert: (notification) => view.alert(notification),
  });
  await app.start();
  try {
    invite(view, config, app, cli);
    const simulator = await startSimulator(
      {
        url: app.urls.mqttUrl,
        sensors: options.sensors,
        rate: options.rate,
        seed: 1,
        maxInFlight: 200,
        story,
      },
      clock,
    );
    const progress = showProgress(view, app, clock);
    const reload = coalesce(() => reloadDemo(cli, options.config, app, { view, config, prepared }));
    await new Promise<void>((resolve) => {
      void interrupted.then(() => resolve());
      if (options.seconds !== undefined) clock.after(options.seconds * 1000, resolve);
      hangup = () => {
        if (!hasLostTerminal(cli)) return reload();
        // What is written from now on would end the process at once.
        view.abandon();
        resolve();
      };
    });
    void progress.stop();
    view.settle();
    view.note('stopping …');
    await finish(simulator, app, view);
  } finally {
    await app.stop();
    view.close();
  }
  return 0;
}

interface ReloadDeps {
  readonly view: DemoView;
  readonly config: Config;
  readonly prepared: (loaded: Config) => Config;
}

/** SIGHUP does what it does to the daemon. A file with a fault is refused whole. */
async function reloadDemo(
  cli: Cli,
  file: string | undefined,
  app: App,
  { view, config, prepared }: ReloadDeps,
): Promise<void> {
  try {
    const { config: loaded, shown } = loadDaemonConfig(cli, file);
    const next = prepared(loaded);
    // A port that was taken instead of a busy one is no change.
    const { applied, needsRestart } = await app.reload(
      { ...next, http: { ...next.http, port: config.http.port } },
      shown,
    );
    const restart = needsRestart.length === 0 ? '' : `; after a restart: ${needsRestart.join(', ')}`;
    view.note(`configuration reloaded: ${applied.length === 0 ? 'unchanged' : applied.join(', ')}${restart}`);
  } catch (error) {
    view.note(`reload refused, the configuration in force stays: ${messageOf(error)}`);
  }
}

function inOwnFolder(config: Config): Config {
  const { embedded, state_dir: stateDir } = config;
  return {
    ...config,
    embedded: { ...embedded, data_dir: demoFolderFor(embedded.data_dir) },
    state_dir: stateDir === './data/state' ? join(demoFolderFor('./data'), 'state') : stateDir,
  };
}

/** Intake has ended; batches in flight may still be stored, so that the last figures are right. */
async function finish(simulator: Simulator, app: App, view: DemoView): Promise<void> {
  await simulator.stop();
  await app.stop();
  const { stored, duplicate, merged, inFlight } = app.status().totals;
  view.note(
    `stored ${counted(stored, 'reading')} (${duplicate + merged} seen twice, ${inFlight} left with the broker)`,
  );
}

function viewOn(cli: Cli): DemoView {
  const { stdout } = cli;
  const isTTY = stdout.isTTY === true;
  const color = isTTY && (cli.env['NO_COLOR'] ?? '') === '';
  return createDemoView({ out: stdout, isTTY, columns: () => stdout.columns, color });
}

/** Prints the addresses and the commands that can be used while it runs. */
function invite(view: DemoView, config: Config, app: App, invocation: Invocation): void {
  const { embedded } = config;
  view.note(`MQTT broker   ${app.urls.mqttUrl}   (publish your own: sensors/<location>/<device>/readings)`);
  for (const sink of config.notify.sinks) {
    const published = definitionOf(sink).publishesTo?.(sink);
    if (published !== undefined) view.note(`alerts        at the broker: ${published.prefix}/#`);
  }
  view.note(`TimescaleDB   ${psqlCommand(config)}   (data in ${embedded.data_dir})`);
  if (app.httpPort !== undefined) {
    const { token_file: tokens, api } = config.http;
    if (api)
      view.note(
        `page          http://127.0.0.1:${app.httpPort}/   (log in to acknowledge or silence: the token is in ${relative('.', tokens ?? '')})`,
      );
    view.note(`health        http://127.0.0.1:${app.httpPort}/readyz and /metrics`);
  }
  view.note(
    withInvocation(
      'in another terminal: `fieldwatch readings latest`, `fieldwatch alerts tail -f`, `fieldwatch alerts list`',
      invocation,
    ),
  );
  view.note(
    withInvocation(
      '  the texts that would be sent: `fieldwatch notify preview`; which sink is sent what: `fieldwatch notify list`. Ctrl-C ends it.',
      invocation,
    ),
  );
}

/** With the password's file, never with the password. */
const psqlCommand = ({ database, embedded }: Config): string =>
  database.url !== undefined
    ? 'as configured'
    : `PGPASSFILE=${relative('.', passwordFile(embedded.data_dir))} psql postgres://fieldwatch@127.0.0.1:${embedded.database_port}/fieldwatch`;

function showProgress(view: DemoView, app: App, clock: Clock): PollLoop {
  let before = { received: 0, atMs: clock.monotonicMs() };
  const show = () => {
    const { totals, sensors, firing, lagMs } = app.status();
    const atMs = clock.monotonicMs();
    const messagesPerSecond = ((totals.received - before.received) * 1000) / (atMs - before.atMs);
    before = { received: totals.received, atMs };
    view.progress({
      atMs,
      messagesPerSecond,
      rowsStored: totals.stored,
      sensors,
      firingAlerts: firing,
      lagMs,
    });
  };
  const loop = new PollLoop({ clock, everyMs: PROGRESS_EVERY_MS, run: show });
  loop.start();
  return loop;
}

/** The view prints alerts as text; as log lines they would appear twice. */
function quietAboutAlerts(logger: Logger): Logger {
  const unlessAlert =
    (log: Logger['warn']): Logger['warn'] =>
    (fields, message) => {
      if (!('alert_id' in fields)) log.call(logger, fields, message);
    };
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: unlessAlert((fields, message) => logger.info(fields, message)),
    warn: unlessAlert((fields, message) => logger.warn(fields, message)),
    error: unlessAlert((fields, message) => logger.error(fields, message)),
    child: (bindings) => quietAboutAlerts(logger.child(bindings)),
  };
}
