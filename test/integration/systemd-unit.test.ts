import { describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const UNIT = fileURLToPath(new URL('../../systemd/fieldwatch.service', import.meta.url));
const run = promisify(execFile);

const hasSystemd = await run('systemd-analyze', ['--version']).then(
  () => true,
  () => false,
);
// `verify` looks for the program of ExecStart as well.
const hasNode = await run('/usr/bin/node', ['--version']).then(
  () => true,
  () => false,
);

describe('systemd-analyze', () => {
  (hasSystemd && hasNode ? test : test.skip)('verify has nothing to say', async () => {
    const { stdout, stderr } = await run('systemd-analyze', ['verify', UNIT]);
    expect(stdout + stderr).toBe('');
  });

  (hasSystemd ? test : test.skip)('security rates the exposure at 2.5 or lower', async () => {
    const { stdout } = await run('systemd-analyze', [
      'security',
      '--offline=true',
      '--threshold=25',
      '--no-pager',
      UNIT,
    ]);
    const exposure = Number(/Overall exposure level for fieldwatch\.service: ([\d.]+)/.exec(stdout)?.[1]);
    expect(exposure).toBeLessThanOrEqual(2.5);
  });
});
