import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { AlertLogFile } from '../../../src/adapters/notify/alert-log-file.ts';
import { RecordingMetrics } from '../../support/fakes.ts';
import { QuietLogger } from '../../support/quiet-logger.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fieldwatch-alert-log-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const logFile = (path: string) =>
  new AlertLogFile(path, { logger: new QuietLogger(), metrics: new RecordingMetrics() });

describe('the alert log, at the start', () => {
  test('a path that can be written is made ready, with its folders', () => {
    const path = join(folder, 'a/b/alerts.log');
    const log = logFile(path);
    log.prepare();
    log.write('{}');
    log.close();
    expect(readFileSync(path, 'utf8')).toBe('{}\n');
  });

  test.each([
    ['a folder', '.'],
    ['below a file', 'file/alerts.log'],
  ])('%s in its place is refused, with the remedy', (_what, name) => {
    writeFileSync(join(folder, 'file'), '');
    expect(() => logFile(join(folder, name)).prepare()).toThrow(
      expect.objectContaining({
        code: 'ALERT_LOG_UNWRITABLE',
        kind: 'config',
        message: expect.stringContaining('log.alert_log'),
        remedy: expect.stringContaining('another file'),
      }),
    );
  });
});
