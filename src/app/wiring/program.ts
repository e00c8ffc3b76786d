import { isLocked } from '../../embedded/folder-lock.ts';
import { embeddedUrl, readPassword } from '../../embedded/password.ts';
import type { Config } from '../../config/schema/index.ts';
import { FieldwatchError } from '../../core/errors.ts';
import type { CleanupStack } from '../../lib/cleanup-stack.ts';
import type { Logger } from '../../ports/metrics.ts';
import type { Servers } from '../context.ts';
import { startDatabase } from './embedded.ts';

/** The database of a program: the configured one, the embedded one that a daemon runs in the folder, or one that is started. */
export async function programServers(
  config: Config,
  logger: Logger,
  cleanup: CleanupStack,
): Promise<Servers> {
  const { data_dir: folder, database_port: port } = config.embedded;
  const { url } = config.database;
  const databaseUrl =
    url ??
    (isLocked(folder)
      ? embeddedUrl('127.0.0.1', port, readPassword(folder))
      : await startDatabase(config, logger, cleanup));
  return { databaseUrl, mqttUrl: '', embeddedDatabase: url === undefined };
}

/** A database has one set of rules: those of the daemon, where there is one. */
export const evaluatedByDaemon = (member: string) =>
  new FieldwatchError(`the alerts of this database are evaluated by the daemon ${member}`, {
    code: 'EVALUATED_BY_DAEMON',
    kind: 'config',
    remedy:
      'leave out `alerts`: what the program records is handed over to the daemon, whose rules apply; a daemon counts until it has been stopped for a day',
  });
