import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const GB = 1024 ** 3;

/** Before all tests that may need a database: a folder for them, and the process that runs their engines. */
export default async function start() {
  const folder = mkdtempSync(join(spacious(), 'fieldwatch-databases-'));
  const host = fork(join(import.meta.dirname, 'engine-host.js'), [folder], { execArgv: [] });
  globalThis.engineHost = host;
  process.env.FIELDWATCH_TEST_DATABASES = folder;
  await Promise.race([
    once(host, 'message'),
    once(host, 'exit').then(([code]) => {
      throw new Error(`the process for the databases of the tests ended while starting (${code})`);
    }),
  ]);
}

/** In memory where there is plenty: a database is a thousand files, and a commit waits for the disk. */
function spacious() {
  try {
    const { bavail, bsize } = statfsSync('/dev/shm');
    if (bavail * bsize > 2 * GB && process.availableMemory() > 4 * GB) return '/dev/shm';
  } catch {
    // Not on Linux.
  }
  return tmpdir();
}
