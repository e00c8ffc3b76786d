import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { describe, expect, test } from '@jest/globals';
import { Command } from 'commander';
import { checkConfigCommand } from '../../../src/cli/check-config.ts';
import type { Cli, CliCommand, ExitCode } from '../../../src/cli/command.ts';
import { printConfigCommand } from '../../../src/cli/print-config.ts';

const folder = mkdtempSync(join(tmpdir(), 'fieldwatch-config-'));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function sink(): Writable & { text: string } {
  const stream = Object.assign(new Writable(), { text: '' });
  stream._write = (chunk: Buffer, _encoding, done) => {
    stream.text += chunk.toString();
    done();
  };
  return stream;
}

async function run(command: CliCommand, ...args: string[]) {
  const [stdout, stderr] = [sink(), sink()];
  let code: ExitCode = 0;
  const cli: Cli = {
    stdin: process.stdin,
    stdout,
    stderr,
    env: {},
    invocation: 'fieldwatch',
    interrupted: new Promise(() => {}),
    onHangup: () => {},
    action:
      (action) =>
      async (...given) => {
        code = await action(...given);
      },
  };
  await new Command().addCommand(command(cli)).parseAsync(['node', 'fieldwatch', ...args]);
  return { code, stdout: stdout.text, stderr: stderr.text };
}

const good = file(
  'good.yaml',
  'routes: [{ topic: "a/{device}", codec: json }]\nalerts: { metrics: { temperature: { max: 30 } } }\n',
);
const bad = file('bad.yaml', 'http: { prot: 1 }\nlog: { level: loud }\n');

describe('check-config', () => {
  test('a good file: its name and what it holds', async () => {
    const { code, stdout } = await run(checkConfigCommand, 'check-config', '-c', good);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      new RegExp(`^config ok: ${good}\\n  routes 1, rules 1, policies \\d+, declared sensors 0\\n`),
    );
    const json = await run(checkConfigCommand, 'check-config', '-c', good, '--json');
    expect(JSON.parse(json.stdout)).toMatchObject({ ok: true, file: good, summary: { routes: 1, rules: 1 } });
  });

  test('what loses readings or crosses a network in clear text is a warning, and no fault', async () => {
    const doubtful = file(
      'doubtful.yaml',
      'routes: [{ topic: "lab/{metric}", codec: scalar }]\ndatabase: { url: "postgres://fw:s3cret@db.example/fw" }\n',
    );
    const { code, stderr } = await run(checkConfigCommand, 'check-config', '-c', doubtful);
    expect([code, stderr.trim().split('\n')]).toEqual([
      0,
      [
        expect.stringMatching(/^fieldwatch: warning: database\.url leads to another machine without TLS/),
        expect.stringMatching(/^fieldwatch: warning: routes\[0\]: no device in the topic/),
      ],
    ]);
    expect(stderr).not.toContain('s3cret');
    const json = await run(checkConfigCommand, 'check-config', '-c', doubtful, '--json');
    expect(JSON.parse(json.stdout)).toMatchObject({
      ok: true,
      warnings: [{}, {}].map(() => expect.any(String)),
    });
  });

  test('a bad file: all faults on standard output, exit 2', async () => {
    const { code, stdout, stderr } = await run(checkConfigCommand, 'check-config', '-c', bad);
    expect(code).toBe(2);
    expect(stdout.trim().split('\n')).toEqual([
      `${bad}:1:9: http.prot: unknown key "prot"; did you mean "port"?`,
      `${bad}:2:15: log.level: "loud" is not one of debug, info, warn, error`,
    ]);
    expect(stderr).toBe('fieldwatch: 2 faults\n');
    const json = await run(checkConfigCommand, 'check-config', '-c', bad, '--json');
    expect(json.code).toBe(2);
    expect(JSON.parse(json.stdout)).toMatchObject({
      ok: false,
      faults: [{ line: 1, column: 9 }, { line: 2 }],
    });
  });
});

describe('print-config', () => {
  test('YAML, or JSON, of what is in effect', async () => {
    const yaml = await run(printConfigCommand, 'print-config', '-c', good, '--sources');
    expect(yaml.stdout).toContain('port: 9464 # default');
    const json = await run(printConfigCommand, 'print-config', '-c', good, '--json');
    expect(JSON.parse(json.stdout)).toMatchObject({ file: good, config: { http: { port: 9464 } } });
  });

  test('a bad file is refused', async () => {
    await expect(run(printConfigCommand, 'print-config', '-c', bad)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
    });
  });
});
