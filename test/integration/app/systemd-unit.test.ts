import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import { describeWith } from '../../support/tools.ts';

const UNIT = fileURLToPath(new URL('../../../systemd/fieldwatch.service', import.meta.url));
const run = promisify(execFile);

describeWith('systemd-analyze')('systemd-analyze', () => {
  test('verify reports nothing', async () => {
    // It looks for the programs, too: this machine's node may be elsewhere than Debian's.
    const dir = await mkdtemp(join(tmpdir(), 'fieldwatch-unit-'));
    const unit = join(dir, 'fieldwatch.service');
    await writeFile(unit, (await readFile(UNIT, 'utf8')).replaceAll('/usr/bin/node', process.execPath));
    const { stdout, stderr } = await run('systemd-analyze', ['verify', unit]);
    await rm(dir, { recursive: true });
    expect(stdout + stderr).toBe('');
  });

  test('security rates the exposure at 2.5 or lower', async () => {
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
