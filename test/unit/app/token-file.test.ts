import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readTokenFile } from '../../../src/app/token-file.ts';
import type { Config } from '../../../src/config/schema/index.ts';
import type { FieldwatchError } from '../../../src/core/errors.ts';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'fieldwatch-tokens-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

const SECRET = 'aaaa-bbbb-cccc-dddd-1234';

function read(mode: number, text = `anna operator ${SECRET}\n`, http: Partial<Config['http']> = {}) {
  const file = join(dir, 'tokens');
  writeFileSync(file, text);
  chmodSync(file, mode);
  const config = { http: { enabled: true, api: true, token_file: file, ...http } };
  try {
    return readTokenFile(config as unknown as Config).map(({ name }) => name);
  } catch (error) {
    const { code, message, remedy = '' } = error as FieldwatchError;
    expect(`${message} ${remedy}`).not.toContain(SECRET);
    return code;
  }
}

test.each([0o400, 0o440, 0o600, 0o640])('is read with mode %o', (mode) => {
  expect(read(mode)).toEqual(['anna']);
});

test.each([0o644, 0o604, 0o660, 0o620, 0o606, 0o602, 0o777])(
  'with mode %o, where others may read or change it, it is refused',
  (mode) => {
    expect(read(mode)).toBe('HTTP_TOKENS_EXPOSED');
  },
);

test.each([
  ['nothing', ''],
  ['a byte order mark', `\ufeffanna operator ${SECRET}\n`],
  ['something else', 'hello\n'],
])('%s in it is a fault', (_name, text) => {
  expect(read(0o600, text)).toBe('HTTP_TOKENS_INVALID');
});

test('where there is no API, none is read', () => {
  expect(read(0o777, 'x', { api: false })).toEqual([]);
  expect(read(0o777, 'x', { enabled: false })).toEqual([]);
  expect(read(0o777, 'x', { token_file: undefined })).toEqual([]);
  expect(read(0o600, 'x', { token_file: join(dir, 'none') })).toBe('HTTP_TOKENS_INVALID');
});
