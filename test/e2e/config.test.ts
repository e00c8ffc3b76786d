import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { fieldwatch } from '../support/daemon.ts';

/** One fault a line; the comment is the line's number. */
const FAULTY = `mqtt:
  url: http://broker          # 2
  keepalive: soon             # 3
  recieve_maximum: 10         # 4
database:
  statement_timeout: -1s      # 6
ingest:
  batch: { max_rows: 0 }      # 8
routes:
  - topic: a/#/b              # 10
    codec: json
  - topic: c/{device}
    codec: jason              # 13
sensors:
  registration: maybe         # 15
http: { port: 70000 }         # 16
log: { level: loud }          # 17
`;
const LINES = [2, 3, 4, 6, 8, 10, 13, 15, 16, 17];

describe('a configuration with ten faults', () => {
  let dir: string;
  let file: string;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'fieldwatch-config-'));
    file = join(dir, 'faulty.yaml');
    await writeFile(file, FAULTY);
  });

  afterAll(() => rm(dir, { recursive: true, force: true }));

  it.each(['check-config', 'run', 'decode'])(
    'is refused by %s with every fault and its position; exit 2',
    async (command) => {
      const extra = command === 'decode' ? ['--topic', 'a/b', '{}'] : [];
      const { code, stdout, stderr } = await fieldwatch([command, '--config', file, ...extra], { cwd: dir });
      expect(code).toBe(2);
      const positions = [...(stdout + stderr).matchAll(/faulty\.yaml:(\d+):(\d+): /g)].map(([, line]) =>
        Number(line),
      );
      expect(positions).toEqual(LINES);
    },
  );
});
