import { type ChildProcess, spawn } from 'node:child_process';
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

  afterAll(async () => {
    // Where a test has failed.
    for (const { child } of demos) if (isRunning(child)) process.kill(-(child.pid ?? 0), 'SIGKILL');
    await rm(dir, { recursive: true, force: true, maxRetries: 10 });
  });

  /** What is printed, and what the page says of the freezer. */
  interface Demo {
    output: string;
    readonly states: Set<string>;
    readonly child: ChildProcess;
  }

  const demos: Demo[] = [];
  const isRunning = ({ exitCode, signalCode }: ChildProcess) => exitCode === null && signalCode === null;

  function start(...args: readonly string[]): Demo {
    const child = spawn(process.execPath, [resolve('dist/main.js'), 'demo', ...args], {
      cwd: dir,
      // A group of its own: Ctrl-C in a terminal reaches every process of the group, the database's too.
      detached: true,
      env: { PATH: process.env['PATH'], HOME: dir, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const demo: Demo = { output: '', states: new Set(), child };
    child.stdout.on('data', (chunk: Buffer) => (demo.output += chunk.toString()));
    demos.push(demo);
    return demo;
  }

  const shown = (demo: Demo, holds: () => boolean | Promise<boolean>) =>
    eventually(`the expected lines in: ${demo.output}`, holds, { withinMs: 150_000 });
  const counts = ({ output }: Demo) => /messages\/s · [1-9][\d,]* rows stored/.test(output);

  /** Ctrl-C; the exit code. */
  async function interrupt({ child }: Demo): Promise<number | null> {
    process.kill(-(child.pid ?? 0), 'SIGINT');
    const [code] = (await once(child, 'exit')) as [number | null];
    return code;
  }

  async function look({ output, states }: Demo): Promise<void> {
    const page = /page +(http:\/\/127\.0\.0\.1:\d+)\//.exec(output)?.[1];
    if (page === undefined) return;
    for (const state of ['pending', 'all']) {
      const response = await fetch(`${page}/api/v1/alerts?sensor=freezer-01&state=${state}&from=2m`);
      // Asked too often, it says so.
      if (!response.ok) return;
      const { items } = (await response.json()) as AlertList;
      for (const item of items) states.add(item.state);
    }
  }

  const storedIn = (output: string) => Number(/stored (\d+) readings .*\b0 left/.exec(output)?.[1]);
  const rowsNow = async () => {
    const { stdout } = await fieldwatch(['readings', 'recent', '--limit', '10000', '--json'], {
      cwd: dir,
      env: { ...env, FIELDWATCH_EMBEDDED_DATA_DIR: './data/demo' },
    });
    return stdout.trim().split('\n').length;
  };

  let first: Demo;

  it('shows throughput and alerts', async () => {
    // Most of the time it waits for the freezer: fewer messages than usual do.
    first = start('--rate', '25');
    await shown(first, async () => {
      await look(first);
      return counts(first) && first.output.includes('FIRING');
    });
  });

  it('shows on its page what happens to a freezer whose door is left open, from pending to resolved', async () => {
    await shown(first, async () => {
      await look(first);
      return first.states.has('resolved');
    });
    expect([...first.states]).toEqual(['pending', 'firing', 'resolved']);
  });

  it('stops all of it at Ctrl-C, with every acknowledged reading stored', async () => {
    expect(await interrupt(first)).toBe(0);
    const { output } = first;
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

  it('goes on with the data that is there', async () => {
    const before = await rowsNow();
    const again = start();
    await shown(again, () => counts(again));
    expect(await interrupt(again)).toBe(0);
    expect(await rowsNow()).toBe(before + storedIn(again.output));
  });
});
