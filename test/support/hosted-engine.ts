import { once } from 'node:events';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** A database in the process that engine-host-setup.js has started. */
export interface HostedEngine {
  readonly port: number;
  /** @throws what the engine died of, if it did: the test's own errors say only that a connection broke. */
  close(): Promise<void>;
}

/** The folder of this run of the tests, for databases. */
export function databasesFolder(): string {
  const folder = process.env['FIELDWATCH_TEST_DATABASES'];
  if (folder === undefined)
    throw new Error('databases are for the integration and e2e tests of jest.config.js');
  return folder;
}

export async function openHostedEngine(dataDir: string): Promise<HostedEngine> {
  const socket = createConnection(join(databasesFolder(), 'engines.sock'));
  const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  let failed: string | undefined;
  const failure = () =>
    new Error(`the embedded database of this test failed: ${failed ?? 'its process has ended'}`);
  socket.on('error', ({ message }) => (failed ??= message));
  const lines = createInterface({ input: socket }).on('line', (line) => {
    failed ??= (JSON.parse(line) as { readonly failed?: string }).failed;
  });
  socket.write(dataDir);
  const [first] = (await Promise.race([once(lines, 'line'), ended])) ?? [];
  const { port } = JSON.parse((first as string | undefined) ?? '{}') as { readonly port?: number };
  if (port === undefined) throw failure();
  return {
    port,
    close: async () => {
      const early = socket.readableEnded;
      socket.end();
      await ended;
      if (early || failed !== undefined) throw failure();
    },
  };
}
