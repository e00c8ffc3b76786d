import { once } from 'node:events';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** A database in the process that engine-host-setup.js has started. */
export interface HostedEngine {
  readonly port: number;
  /** Resolves when its clock is that far ahead of the machine's. */
  moveClock(aheadMs: number): Promise<void>;
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
  const ask = async (message: object): Promise<{ readonly port?: number }> => {
    const answer = Promise.race([once(lines, 'line'), ended]);
    socket.write(`${JSON.stringify(message)}\n`);
    const [line] = (await answer) ?? [];
    if (line === undefined || failed !== undefined) throw failure();
    return JSON.parse(line as string) as { readonly port?: number };
  };
  const { port = 0 } = await ask({ dataDir });
  return {
    port,
    moveClock: async (aheadMs) => void (await ask({ aheadMs })),
    close: async () => {
      const early = socket.readableEnded;
      socket.end();
      await ended;
      if (early || failed !== undefined) throw failure();
    },
  };
}
