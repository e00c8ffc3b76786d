import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';

const root = join(import.meta.dirname, '../../..');
const folder = mkdtempSync(join(tmpdir(), 'fieldwatch-log-'));
const children: ChildProcess[] = [];
afterAll(() => children.forEach((child) => child.kill('SIGKILL')));

const LINES = 20_000;

/** Logs more than any pipe holds, in addition to the alert log; then waits for a word, logs once more, and ends. */
const PROGRAM = `
  const { createLogger } = await import('${root}/dist/adapters/log/logger.js');
  const { AlertLogFile } = await import('${root}/dist/adapters/notify/alert-log-file.js');
  const { createMetrics } = await import('${root}/dist/adapters/http/metrics.js');
  const [format, alertLog] = process.argv.slice(1);
  let dropped = 0;
  const logger = createLogger({ level: 'info', format, onDrop: () => (dropped += 1) });
  const file = new AlertLogFile(alertLog, { logger, metrics: createMetrics() });
  file.prepare();
  for (let n = 0; n < ${LINES}; n++) {
    logger.info({ n, text: 'x'.repeat(200) }, 'line');
    if (n % 100 === 0) file.write(JSON.stringify({ n }));
    if (n % 1000 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  const done = { dropped, rss: process.memoryUsage().rss };
  if (process.send === undefined) { process.stdout.write(JSON.stringify(done)); process.exit(0); }
  process.send(done);
  process.on('message', () => {
    logger.info({}, 'last');
    process.send({ dropped });
    setTimeout(() => process.exit(0), 500);
  });
`;

const argumentsOf = (format: string, alertLog: string) =>
  ['--input-type=module', '-e', PROGRAM, format, alertLog] as const;

const linesOf = (path: string) => readFileSync(path, 'utf8').trimEnd().split('\n');

describe('a log target that hangs', () => {
  test.each(['json', 'pretty'])(
    'neither stops the process nor fills its memory, and says later what is missing (%s)',
    async (format) => {
      const alertLog = join(folder, `${format}.alerts.log`);
      const child = spawn(process.execPath, [...argumentsOf(format, alertLog)], {
        stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
      });
      children.push(child);
      // Nothing reads standard error until the program has logged everything.
      const [{ dropped, rss }] = (await once(child, 'message')) as [{ dropped: number; rss: number }];
      expect(dropped).toBeGreaterThan(LINES / 2);
      expect(rss).toBeLessThan(250 * 1024 * 1024);
      expect(linesOf(alertLog)).toHaveLength(LINES / 100);

      let text = '';
      const drained = new Promise<void>((resolve) =>
        child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
          if ((text.match(/\bline\b/g)?.length ?? 0) >= LINES - dropped) resolve();
        }),
      );
      await drained;
      child.send('more');
      await once(child, 'close');
      expect(text).toContain('log lines dropped');
      expect(text).toMatch(new RegExp(`"?dropped"?: ?${dropped}\\b`));
      expect(text.trimEnd().split('\n').at(-1)).toContain('last');
    },
  );

  test('does not keep it from ending', async () => {
    const alertLog = join(folder, 'exit.alerts.log');
    const child = spawn(process.execPath, [...argumentsOf('json', alertLog)], {
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    });
    children.push(child);
    await once(child, 'message');
    child.send('end');
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  test('a disk that is full costs the lines alone', () => {
    const full = openSync('/dev/full', 'w');
    const out = execFileSync(process.execPath, [...argumentsOf('json', join(folder, 'full.log'))], {
      stdio: ['ignore', 'pipe', full],
    });
    expect(JSON.parse(out.toString())).toMatchObject({ dropped: LINES });
  });

  test('an alert log that is a named pipe whose reader has stopped costs its lines alone', () => {
    const pipe = join(folder, 'fifo');
    execFileSync('mkfifo', [pipe]);
    const out = execFileSync(
      process.execPath,
      ['--input-type=module', '-e', PROGRAM.replace('n % 100', 'n % 1'), 'json', pipe],
      { stdio: ['ignore', 'pipe', 'ignore'] },
    );
    expect(JSON.parse(out.toString())).toMatchObject({ dropped: 0 });
  });
});

test('pretty and JSON lines of hostile text show no control character, and each name once', () => {
  const hostile = 'a\u001b[2J\u009b31m\u202eb\u2028\u007fc\nforged';
  const program = `
    const { createLogger } = await import('${root}/dist/adapters/log/logger.js');
    for (const format of ['pretty', 'json']) {
      const logger = createLogger({ level: 'info', format }).child({ component: 'x', topic: 'bound' });
      const error = new Error(${JSON.stringify(hostile)}, { cause: new Error(${JSON.stringify(hostile)}) });
      logger.info({ topic: ${JSON.stringify(hostile)}, msg: 'm', level: 'l', time: 1, list: [${JSON.stringify(hostile)}] }, 'one');
      logger.error({ err: error, component: 'y' }, 'two');
    }`;
  const out = execFileSync(process.execPath, ['--input-type=module', '-e', `process.stderr.fd; ${program}`], {
    stdio: ['ignore', 'pipe', openSync(join(folder, 'hostile.log'), 'w')],
  });
  expect(out.toString()).toBe('');
  const text = readFileSync(join(folder, 'hostile.log'), 'utf8');
  expect(text.replace(/\u001b\[\d+m/g, '')).not.toMatch(/[^\P{Cc}\n\t]|[\p{Cf}\u2028\u2029]/u);
  const json = text.split('\n').filter((line) => line.startsWith('{'));
  expect(json).toHaveLength(2);
  for (const line of json) {
    const names = [...line.matchAll(/"(msg|level|time|topic|component)":/g)].map(([, name]) => name);
    expect(names).toEqual([...new Set(names)]);
  }
  expect(JSON.parse(json[0] ?? '')).toMatchObject({
    topic: hostile,
    msg: 'one',
    field_msg: 'm',
    level: 'info',
  });
  // A line that the text forges is indented.
  expect(text).not.toMatch(/^forged/m);
});
