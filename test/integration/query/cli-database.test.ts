import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { alertsCommand } from '../../../src/cli/alerts/index.ts';
import { sensorsCommand } from '../../../src/cli/sensors/index.ts';
import { startEmbeddedTimescale } from '../../../src/embedded/timescale-process.ts';
import { runCli } from '../../support/cli.ts';
import { copyTemplate } from '../../support/embedded-db.ts';
import { freePort } from '../../support/free-port.ts';

let dataDir: string;
let port: number;
let env: Record<string, string>;

beforeAll(async () => {
  dataDir = await copyTemplate({ migrated: true });
  port = await freePort();
  env = { FIELDWATCH_EMBEDDED_DATA_DIR: dataDir, FIELDWATCH_EMBEDDED_DATABASE_PORT: String(port) };
});
afterAll(() => rm(dataDir, { recursive: true, force: true }));

describe('a command and the embedded database', () => {
  test('starts it for the time of the command when none runs, and says so', async () => {
    for (let time = 0; time < 2; time++) {
      const { code, out, err } = await runCli(sensorsCommand, ['list'], { env });
      expect({ code, out }).toEqual({ code: 0, out: '' });
      expect(err).toContain('starting the embedded database for this command');
    }
  });

  test('uses the one that runs, several commands at once', async () => {
    const server = await startEmbeddedTimescale({ dataDir, port });
    try {
      const runs = await Promise.all([1, 2, 3].map(() => runCli(sensorsCommand, ['list'], { env })));
      expect(runs).toEqual(runs.map(() => ({ code: 0, out: '', err: 'no rows\n' })));
    } finally {
      await server.stop();
    }
  });

  test('does not start it to follow, nor without a database', async () => {
    await expect(runCli(alertsCommand, ['tail', '-f'], { env })).rejects.toMatchObject({
      code: 'EMBEDDED_DB_NOT_RUNNING',
      remedy: expect.stringContaining('fieldwatch run'),
    });
    const nowhere = { ...env, FIELDWATCH_EMBEDDED_DATA_DIR: `${dataDir}/nothing` };
    await expect(runCli(sensorsCommand, ['list'], { env: nowhere })).rejects.toMatchObject({
      code: 'EMBEDDED_DB_NOT_RUNNING',
    });
  });

  test('an unreachable server is named with its remedy, without its password', async () => {
    const away = { FIELDWATCH_DATABASE_URL: `postgres://someone:secret@127.0.0.1:${port}/x` };
    const failing = runCli(sensorsCommand, ['list'], { env: away });
    await expect(failing).rejects.toMatchObject({ code: 'DB_UNREACHABLE', kind: 'transient' });
    await expect(failing).rejects.not.toThrow(/secret/);
  });
});
