import { createMetrics } from '../adapters/http/metrics.ts';
import { silentLogger } from '../adapters/log/logger.ts';
import { AlertLogFile } from '../adapters/notify/alert-log-file.ts';
import { readProtoFiles } from '../adapters/system/proto-files.ts';
import { App } from '../app.ts';
import { loadConfig } from '../config/load.ts';
import type { Config } from '../config/schema/index.ts';
import { eventOf } from './alert-feed.ts';
import { checkArgument } from './arguments.ts';
import type { Daemon, DaemonConfig, DaemonOptions, DaemonStatus } from './daemon-types.ts';
import { loggerOf } from './logger.ts';

/**
 * Runs the whole daemon in this process: MQTT, database, alerts, notifications, policies, HTTP. Resolves once it accepts
 * messages. `config` is the text of a configuration file, of which files (paths are relative to the working directory) and the environment are read
 * as by `fieldwatch run`, or what `parseConfig` gave.
 *
 * @throws ConfigError CONFIG_INVALID; what keeps a daemon from starting
 *
 * @example
 * ```ts
 * import { startDaemon } from 'fieldwatch';
 *
 * await using daemon = await startDaemon(`
 *   routes: [{ topic: "plant/{device}", codec: json }]
 *   database: { url: "${process.env.DATABASE_URL}" }
 *   embedded: { mqtt_port: 18839 }
 *   http: { enabled: false }
 * `);
 * console.log(daemon.status().database); // ok
 * ```
 */
export async function startDaemon(
  config: DaemonConfig | string,
  options: DaemonOptions = {},
): Promise<Daemon> {
  checkArgument('startDaemon', 'config', config, 'daemonConfig');
  checkArgument('startDaemon', 'options', options, 'daemonOptions');
  const { logger: target, onAlert } = options;
  const logger = target === undefined ? silentLogger : loggerOf(target);
  const read = configOf(config);
  const metrics = createMetrics();
  const path = read.log.alert_log;
  const alertLog = path === undefined ? undefined : new AlertLogFile(path, { logger, metrics });
  alertLog?.prepare();
  const app = new App(read, {
    ...{ logger, metrics },
    ...(alertLog === undefined ? {} : { alertLog }),
    ...(onAlert === undefined ? {} : { onAlert: (notification) => onAlert(eventOf(notification)) }),
  });
  await app.start();
  return new RunningDaemon(app, alertLog);
}

class RunningDaemon implements Daemon {
  private readonly app: App;
  private readonly alertLog: AlertLogFile | undefined;

  constructor(app: App, alertLog: AlertLogFile | undefined) {
    this.app = app;
    this.alertLog = alertLog;
  }

  get databaseUrl(): string {
    return this.app.urls.databaseUrl;
  }

  get mqttUrl(): string {
    return this.app.urls.mqttUrl;
  }

  get httpPort(): number | undefined {
    return this.app.httpPort;
  }

  status(): DaemonStatus {
    const { totals, connectivity, store, sensors, firing, lagMs } = this.app.status();
    return {
      totals: { ...totals },
      broker: connectivity.state,
      database: store.state,
      sensors,
      firing,
      lagMs,
    };
  }

  async reload(config: DaemonConfig | string): Promise<Awaited<ReturnType<Daemon['reload']>>> {
    checkArgument('reload', 'config', config, 'daemonConfig');
    return this.app.reload(configOf(config));
  }

  async stop(): Promise<void> {
    await this.app.stop();
    this.alertLog?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

function configOf(given: DaemonConfig | string): Config {
  if (typeof given !== 'string') return given as unknown as Config;
  const { config } = loadConfig({ text: given });
  return { ...config, routes: [...readProtoFiles(config.routes, undefined)] };
}
