import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { lockFolder } from '../../../src/embedded/folder-lock.ts';

test('a data folder that cannot be written is a fault of the configuration, with a way out', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fieldwatch-'));
  try {
    const path = join(folder, 'data');
    await writeFile(path, 'a file where the folder should be');
    expect(() => lockFolder(path, process.pid)).toThrow(
      expect.objectContaining({
        code: 'EMBEDDED_DB_FOLDER',
        kind: 'config',
        remedy: expect.stringContaining('data_dir'),
      }),
    );
  } finally {
    await rm(folder, { recursive: true });
  }
});
