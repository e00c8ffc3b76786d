import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { rounds } from '../support/rounds.ts';
import { describeWith } from '../support/tools.ts';

const run = promisify(execFile);
const RATE = String(rounds(250, 500));
/** In the checkout, where its packages are found. */
const PROGRAM = `dist-bench/soak-${process.pid}`;

interface Result {
  readonly lines: readonly { what: string; value: number | null; limit?: number }[];
}

/** As `npm run soak`, briefly. What is broken is in its lines, whatever the exit code. */
async function soak(...args: string[]): Promise<{ code: number; broken: string[] }> {
  const command = [`${PROGRAM}/soak.js`, ...args, '--json'];
  const { code, stdout, stderr } = await run(process.execPath, command).then(
    (output) => ({ ...output, code: 0 }),
    (error: { code: number; stdout: string; stderr: string }) => error,
  );
  if (stdout === '') throw new Error(stderr);
  const { lines } = JSON.parse(stdout) as Result;
  const held = ({ value, limit }: Result['lines'][number]) =>
    limit === undefined || (value !== null && value <= limit);
  return { code, broken: lines.filter((line) => !held(line)).map((line) => JSON.stringify(line)) };
}

describeWith('mosquitto')('npm run soak', () => {
  beforeAll(async () => {
    // Not `tsc`, which takes a quarter of a minute: its types are checked by `npm run types`. Processes are started from the files beside.
    await run('node_modules/.bin/esbuild', [
      ...['soak=bench/soak/main.ts', 'soak/daemon=bench/soak/daemon.ts'],
      'latency-publisher=bench/latency-publisher.ts',
      ...['--bundle', '--packages=external', '--platform=node', '--format=esm', '--target=node20'],
      ...[`--outdir=${PROGRAM}`, '--log-level=warning'],
    ]);
  });
  afterAll(() => rm(PROGRAM, { recursive: true }));

  it('statement 4: an outage of the database under load: connection kept, memory bounded, all stored after it', async () => {
    const { broken } = await soak('outage', '--seconds', String(rounds(6, 20)), '--rate', RATE);
    // Within how many milliseconds an alert line comes is for a machine to say that has nothing else to do.
    expect(broken.filter((line) => !line.includes('alert line'))).toEqual([]);
  });

  it('a load that stays the same: nothing is lost, and the figures of the quarters are compared', async () => {
    // So short a run on a busy machine compares nothing: the limits are for a long one on a quiet one.
    const result = await soak('steady', '--seconds', '10', '--rate', RATE, '--tolerance', '20');
    expect(result).toEqual({ code: 0, broken: [] });
  });
});
