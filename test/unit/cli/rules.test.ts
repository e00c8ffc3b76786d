import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { rulesCommand } from '../../../src/cli/rules/index.ts';
import { runCli } from '../../support/cli.ts';

const fixtures = join(import.meta.dirname, '../../fixtures/rules');

function file(name: string, text: string): string {
  const path = join(mkdtempSync(join(tmpdir(), 'fieldwatch-rules-')), name);
  writeFileSync(path, text);
  return path;
}

const rules = (args: readonly string[]) => runCli(rulesCommand, args);

const storm = (expectation: string) =>
  file(
    'storm.yaml',
    `alerts: { metrics: { temperature: { max: 30 } } }\ntimeline: [{ readings: '(0,31)(60,29)' }]\nexpect: ${expectation}\n`,
  );

describe('rules test', () => {
  test('a folder of scenarios that pass', async () => {
    const { code, out } = await rules(['test', fixtures]);
    expect(out).toMatch(/\n\d+ passed, 0 failed\n$/);
    expect(code).toBe(0);
  });

  test('a scenario that gives something else shows the difference and fails', async () => {
    const { code, out } = await rules(['test', storm("{ transitions: ['F@0(31/30)'] }")]);
    expect(out).toContain('FAIL');
    expect(out).toContain('+ R@60');
    expect(code).toBe(1);
  });

  test('--json prints every transition, row and notification, expected or not', async () => {
    const { code, out } = await rules(['test', '--json', storm('{}')]);
    const lines = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.map(({ kind }) => kind)).toEqual([
      'transition', 'transition', 'row', 'notification', 'notification', 'counts', 'result',
    ]); // prettier-ignore
    expect(lines[2]).toMatchObject({
      time: 0,
      value: 31,
      resolved_at: 60,
      resolved_value: 29,
      peak_value: 31,
    });
    expect(code).toBe(0);
  });

  test('scenarios that leave out alerts and notify have those of --config', async () => {
    const config = file(
      'fieldwatch.yaml',
      `routes: [{ topic: "a/{device}", codec: json }]
alerts: { metrics: { temperature: { max: 30 } } }
notify:
  sinks: [{ name: phone, kind: ntfy, topic: x }, { name: broker, kind: mqtt }]
  timezone: Europe/Berlin
  times: { nights: { window: "22:00-06:00" } }
  routes: [{ to: [phone, broker], mute: [nights] }]
`,
    );
    const scenario = file(
      'night.yaml',
      `start: 2026-01-01T20:59:00Z
timeline: [{ readings: '(0,31)' }, { at: 60, sensor: s2, value: 31 }, { at: 9h, tick: true }]
expect: { notified: ['N@0(broker: firing)', 'N@5(phone: firing)', 'N@28860(phone: firing s2, mute)', 'N@28860(broker: firing s2, mute)'] }
`,
    );
    const { code, out } = await rules(['test', '--config', config, scenario]);
    expect(out).toMatch(/^ok /);
    expect(code).toBe(0);
    const { out: json } = await rules(['test', '--json', '--config', config, scenario]);
    const lines = json
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.find(({ kind }) => kind === 'notified')).toMatchObject({
      ...{ sink: 'broker', at: 0, total: 1, text: 's1: temperature 31 °C, above 30 °C', group: {} },
    });
  });

  test('a file that is no scenario is a fault of its own', async () => {
    const run = rules(['test', file('x.yaml', 'timelime: []')]);
    await expect(run).rejects.toMatchObject({ kind: 'config', message: expect.stringContaining('timelime') });
  });
});

describe('rules check', () => {
  const config = (text: string) => file('fieldwatch.yaml', text);

  test('rules that are fine', async () => {
    const path = config('alerts: { metrics: { temperature: { max: 30 } } }\n');
    const { code, out } = await rules(['check', '-c', path]);
    expect(out).toContain('rules ok');
    expect(code).toBe(0);
  });

  test('overrides that meet in a declared sensor', async () => {
    const declared = 'sensors: { declare: { n1: { type: probe, tags: [cold] } } }';
    const overrides = [
      'overrides:',
      '  - { type: probe, metrics: { temperature: { min: 10 } } }',
      '  - { tag: cold, metrics: { temperature: { max: 8 } } }',
    ];
    const alerts = file('alerts.yaml', overrides.join('\n'));
    const { code, out } = await rules(['check', alerts, '-c', config(declared), '--json']);
    expect(JSON.parse(out)).toMatchObject({
      ok: false,
      findings: [{ sensors: ['n1'], message: expect.stringContaining('min 10 is above max 8') }],
    });
    expect(code).toBe(1);
    // In one file they are a fault of the configuration, for every command and for the daemon.
    const whole = config([declared, 'alerts:', ...overrides.map((line) => `  ${line}`)].join('\n'));
    await expect(rules(['check', '-c', whole])).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      faults: [{ line: 4, path: 'alerts.overrides[0].metrics.temperature.min' }],
    });
  });

  test('a file of rules with a fault', async () => {
    const faulty = file('alerts.yaml', 'metrics: { temperature: { min: 50, max: 40 } }\n');
    await expect(rules(['check', faulty, '-c', config('{}\n')])).rejects.toMatchObject({
      faults: [{ message: 'min 50 is above max 40' }],
    });
  });
});

describe('rules export', () => {
  const config = (http: string) =>
    file('fieldwatch.yaml', `alerts: { metrics: { temperature: { max: 30 } } }\nhttp: ${http}\n`);
  const exported = (http: string) => rules(['export', '--prometheus', '--config', config(http)]);

  test('standard output is the file, and says as a comment what it is not', async () => {
    const { code, out, err } = await exported('{}');
    expect([code, out.split('\n').filter((line) => !line.startsWith('#'))[0]]).toEqual([0, 'groups:']);
    expect(out).toMatch(/^# .*\/metrics has no values/m);
    expect(err).toContain('/metrics has no values');
  });

  test.each(['{ alert_series: 0 }', '{ enabled: false }'])(
    'without series of alerts no rule is written: %s',
    async (http) => {
      await expect(exported(http)).rejects.toMatchObject({
        message: expect.stringContaining('no rule can be expressed'),
      });
    },
  );
});
