import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { makeStateFolder } from '../../src/app/state-folder.ts';

test('a state_dir that cannot be made is a fault of the configuration', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fieldwatch-'));
  try {
    await writeFile(join(folder, 'file'), '');
    await makeStateFolder(join(folder, 'a', 'b'));
    const refused = makeStateFolder(join(folder, 'file', 'state'));
    await expect(refused).rejects.toMatchObject({ code: 'STATE_DIR', kind: 'config' });
  } finally {
    await rm(folder, { recursive: true });
  }
});
