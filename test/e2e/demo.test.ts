import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { AlertList } from '../../src/api/contract/alerts.ts';
import { fieldwatch } from '../support/daemon.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';

describe('npm run demo', () => {
  let dir: string;
  let env: Record<string, string>;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'fieldwatch-demo-'));
    env = {
      FIELDWATCH_EMBEDDED_DATABASE_PORT: String(await freePort()),
      FIELDWATCH_EMBEDDED_MQTT_PORT: String(await freePort()),
      FIELDWATCH_HTTP_PORT: '0',
    };
  });

  afterAll(() => rm(dir, { recursive: true, force: true }));

  /** Runs until `shown` holds, interrupts as Ctrl-C does, and returns what was printed. */
  async function demo(
    shown: (output: string) => boolean | Promise<boolean>,
  ): Promise<{ output: string; code: number | null }> {
    const child = spawn(process.execPath, [resolve('dist/main.js'), 'demo'], {
      cwd: dir,
      // A group of its own: Ctrl-C in a terminal reaches every process of the group, the database's too.
      detached: true,
      env: { PATH: process.env['PATH'], HOME: dir, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    await eventually(`the expected lines in: ${output}`, () => shown(output), 150_000);
    process.kill(-(child.pid ?? 0), 'SIGINT');
    const [code] = (await once(child, 'exit')) as [number | null];
    return { output, code };
  }

  const storedIn = (output: string) => Number(/stored (\d+) readings .*\b0 left/.exec(output)?.[1]);
  const rowsNow = async () => {
    const { stdout } = await fieldwatch(['readings', 'recent', '--limit', '10000', '--json'], {
      cwd: dir,
      env: { ...env, FIELDWATCH_EMBEDDED_DATA_DIR: './data/demo' },
    });
    return stdout.trim().split('\n').length;
  };

  it('shows throughput and alerts, and Ctrl-C stops all of it with every acknowledged reading stored', async () => {
    const { output, code } = await demo(
      (text) => /messages\/s · [1-9][\d,]* rows stored/.test(text) && text.includes('FIRING'),
    );
    expect(code).toBe(0);
    expect(storedIn(output)).toBeGreaterThan(0);
    expect(await rowsNow()).toBe(storedIn(output));
    // The page, and a token of its own that only this user reads.
    const tokens = /page +http:\/\/127\.0\.0\.1:\d+\/ .* the token is in (\S+)\)/.exec(output)?.[1];
    expect(await readFile(join(dir, tokens!), 'utf8')).toMatch(/^demo operator \S{32}$/m);
    expect((await stat(join(dir, tokens!))).mode & 0o777).toBe(0o600);
    expect(output).not.toContain((await readFile(join(dir, tokens!), 'utf8')).trim().split(' ').at(-1));
    // Apart from what the daemon keeps: no invented sensor gets among those of the user.
    expect(await readdir(join(dir, 'data'))).toEqual(['demo']);
  });

  it('shows on its page what happens to a freezer whose door is left open, from pending to resolved', async () => {
    const seen = new Set<string>();
    const { code } = await demo(async (text) => {
      const page = /page +(http:\/\/127\.0\.0\.1:\d+)\//.exec(text)?.[1];
      if (page === undefined) return false;
      for (const state of ['pending', 'all']) {
        const response = await fetch(`${page}/api/v1/alerts?sensor=freezer-01&state=${state}&from=2m`);
        // Asked too often, it says so.
        if (!response.ok) return false;
        const { items } = (await response.json()) as AlertList;
        for (const item of items) seen.add(item.state);
      }
      return seen.has('resolved');
    });
    expect([...seen]).toEqual(['pending', 'firing', 'resolved']);
    expect(code).toBe(0);
  });

  it('goes on with the data that is there', async () => {
    const before = await rowsNow();
    const { output, code } = await demo((text) => /messages\/s · [1-9][\d,]* rows stored/.test(text));
    expect(code).toBe(0);
    expect(await rowsNow()).toBe(before + storedIn(output));
  });
});
