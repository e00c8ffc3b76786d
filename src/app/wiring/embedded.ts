import type { Config } from '../../config/schema/index.ts';
import { startEmbeddedTimescale } from '../../embedded/timescale-process.ts';
import type { CleanupStack } from '../../lib/cleanup-stack.ts';
import type { Logger } from '../../ports/metrics.ts';
import type { Base, Servers } from '../context.ts';

/** Starts the embedded database and broker where the configuration names none. */
export async function startServers({ config, logger, cleanup }: Base): Promise<Servers> {
  return {
    databaseUrl: config.database.url ?? (await startDatabase(config, logger, cleanup)),
    mqttUrl: config.mqtt.url ?? (await startBroker(config, logger, cleanup)),
    embeddedDatabase: config.database.url === undefined,
  };
}

export async function startDatabase(
  { embedded }: Pick<Config, 'embedded'>,
  logger: Logger,
  cleanup: CleanupStack,
): Promise<string> {
  const server = await startEmbeddedTimescale({
    dataDir: embedded.data_dir,
    port: embedded.database_port,
    logger: logger.child({ component: 'embedded-database' }),
  });
  cleanup.add('embedded database', () => server.stop());
  logger.info({ port: server.port, data_dir: embedded.data_dir }, 'embedded TimescaleDB is up');
  return server.url;
}

async function startBroker({ embedded }: Config, logger: Logger, cleanup: CleanupStack): Promise<string> {
  const { startEmbeddedBroker } = await import('../../embedded/broker.ts');
  const broker = await startEmbeddedBroker({ host: embedded.mqtt_host, port: embedded.mqtt_port });
  cleanup.add('embedded broker', () => broker.stop());
  logger.info({ url: broker.url }, 'embedded MQTT broker is up');
  return broker.url;
}
