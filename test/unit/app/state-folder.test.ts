import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { makeStateFolder } from '../../../src/app/state-folder.ts';
import { QuietLogger } from '../../support/quiet-logger.ts';

let dir: string;
let umask: number;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'fieldwatch-'));
  umask = process.umask(0o000);
});
afterEach(() => {
  process.umask(umask);
  rmSync(dir, { recursive: true });
});

const make = (...path: string[]) => makeStateFolder(join(dir, ...path), new QuietLogger());
const mode = (...path: string[]) => (statSync(join(dir, ...path)).mode & 0o7777).toString(8);

test('is made for this user alone, and the folders above it too, whatever the umask is', () => {
  make('a', 'b');
  expect([mode('a'), mode('a', 'b')]).toEqual(['700', '700']);
  process.umask(0o777);
  make('c', 'd');
  expect([mode('c'), mode('c', 'd')]).toEqual(['700', '700']);
});

test('what an earlier version left open to others is closed', () => {
  mkdirSync(join(dir, 'state', 'spool', 'db'), { recursive: true });
  writeFileSync(join(dir, 'state', 'spool', 'db', '000001.log'), '');
  writeFileSync(join(dir, 'state', 'subscriptions.json'), '');
  make('state');
  expect([mode('state'), mode('state', 'spool'), mode('state', 'spool', 'db')]).toEqual([
    '700',
    '700',
    '700',
  ]);
  expect(mode('state', 'spool', 'db', '000001.log')).toBe('600');
  expect(mode('state', 'subscriptions.json')).toBe('600');
});

test('what belongs to others stays as it is', () => {
  mkdirSync(join(dir, 'shared'));
  writeFileSync(join(dir, 'shared', 'readme'), '');
  mkdirSync(join(dir, 'shared', 'spool'));
  symlinkSync(join(dir, 'shared', 'readme'), join(dir, 'shared', 'spool', 'link'));
  make('shared');
  expect([mode('shared'), mode('shared', 'readme'), mode('shared', 'spool')]).toEqual(['777', '666', '700']);
});

test.each([
  ['below a file', () => join(dir, 'file', 'state')],
  // Node's own recursive mkdir never returns there.
  ['in a file system that makes no folders', () => '/proc/fieldwatch/state'],
])('a fault of the configuration where it cannot be made: %s', (_, folder) => {
  writeFileSync(join(dir, 'file'), '');
  chmodSync(dir, 0o700);
  expect(() => makeStateFolder(folder(), new QuietLogger())).toThrow(
    expect.objectContaining({ code: 'STATE_DIR', kind: 'config' }),
  );
});
