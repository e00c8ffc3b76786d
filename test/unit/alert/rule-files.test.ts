import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { compare } from '../../../src/cli/rules/compare.ts';
import { linesOf } from '../../../src/cli/rules/outcome-lines.ts';
import { readScenarios } from '../../../src/cli/rules/scenario-file.ts';
import { runScenario } from '../../../src/core/alert/analysis/scenario.ts';
import { alertId } from '../../../src/services/alert/alert-id.ts';

const folder = join(import.meta.dirname, '../../fixtures/rules');

const run = (text: string) =>
  readScenarios(text).map((each) => {
    const actual = linesOf(runScenario(each.scenario, alertId), each);
    return { each, actual, differences: compare(each.expect, actual) };
  });

describe.each(readdirSync(folder))('%s', (file) => {
  const cases = run(readFileSync(join(folder, file), 'utf8'));
  test.each(cases.map(({ each, differences }) => [each.name, differences] as const))(
    '%s',
    (_, differences) => {
      expect(differences).toEqual([]);
    },
  );
});

test('the examples of docs/alerts.md', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/alerts.md'), 'utf8');
  const examples = page.split('```yaml\n').filter((block) => block.includes('timeline:'));
  const results = examples.flatMap((example) => run(example.split('```')[0] ?? ''));
  expect(results).toHaveLength(2);
  expect(results.flatMap(({ differences }) => differences)).toEqual([]);
});

describe('a scenario that gives something else', () => {
  const timeline =
    "alerts: { metrics: { temperature: { max: 30 } } }\ntimeline: [{ readings: '(0,31)(60,29)' }]\n";

  test('is shown as a diff', () => {
    const [result] = run(
      `${timeline}expect: { transitions: [P@0, 'F@0(31/30)'], rows: 2, counts: { late: 1 } }`,
    );
    expect(result?.differences).toMatchObject([
      'transitions:',
      '- P@0',
      '  F@0(31/30)',
      '+ R@60',
      'rows:',
      '- 2 in all',
      expect.stringContaining('"time":0'),
      'counts:',
      '- late: 1',
      '+ late: 0',
    ]);
  });

  test.each([
    ['timeline: [{ at: 0 }]', 'needs exactly one of'],
    ['timeline: [{ at: soon, tick: true }]', 'neither seconds, nor a duration'],
    ['timeline: [{ readings: "(0,1) and more" }]', 'cannot read "and more"'],
    ['alerts: { metricz: {} }\ntimeline: []', 'metricz'],
    ['timelime: []', 'x.yaml:1:1: timelime: unknown key "timelime"; did you mean "timeline"?'],
    [
      '- timeline: []\n- timeline: [{ sensr: a, at: 1 }]',
      'x.yaml:2:16: [1].timeline[0].sensr: unknown key "sensr"',
    ],
    ['timeline: [{ readings: "(0,3l)" }]', 'cannot read "(0,3l)"'],
    [
      'timeline: [{ at: 60, tick: true }, { at: 30, restart: true }]',
      'restart at 30 stands after an entry at 60',
    ],
    ['start: noon\ntimeline: []', '"noon" is no time'],
    ['timeline: [', 'x.yaml:1'],
    ['timeline: []\nexpect: { notified: 0 }', 'needs notify'],
    [
      'notify: { sinks: [phone], routes: [{ to: fone }] }\ntimeline: []',
      'no sink is called "fone"; known: phone',
    ],
    ['timeline: [{ tick: 10s }]', 'goes with tick: 10s'],
    ['timeline: [{ tick: true, until: 10 }]', 'goes with tick: 10s'],
    ['timeline: [{ tick: 1ms, until: 1d }]', 'expected 1 to 100000 steps'],
  ])('%s is refused', (text, message) => {
    expect(() => readScenarios(text, 'x.yaml')).toThrow(message);
  });

  test('all faults are reported at once', () => {
    const text = 'timeline:\n  - { at: soon, tick: true }\n  - { readings: oops }\n';
    expect(() => readScenarios(text, 'x.yaml')).toThrow(/x\.yaml:2:5.*soon[^]*x\.yaml:3:5.*oops/);
  });
});

test('times to the microsecond, arrival beside a reading, and an entry that happens when the one before it did', () => {
  const [result] = run(`
timeline:
  - readings: (0,31)(0.000001,32 rx=5)(1m,null)(61s, "31" , rx=62) (62,NaN)
  - { at: '2026-01-01T00:01:10.000123Z', value: 1 }
  - { tick: true }
`);
  const events = result?.each.scenario.events ?? [];
  const start = Date.parse('2026-01-01T00:00:00Z');
  expect(events.map(({ atMs }) => atMs - start)).toEqual([0, 5000, 60_000, 62_000, 62_000, 70_001, 70_001]);
  const readings = events.flatMap((each) => (each.kind === 'reading' ? [each] : []));
  expect(readings.map(({ timeUs, metrics }) => [timeUs - start * 1000, metrics.get('temperature')])).toEqual([
    [0, 31], [1, 32], [60_000_000, null], [61_000_000, '31'], [62_000_000, NaN], [70_000_123, 1],
  ]); // prettier-ignore
});

test('a rejected reload reports why', () => {
  const [result] = run('timeline: [{ at: 5, reload: { metrics: { temperature: { min: 5, max: 1 } } } }]');
  expect(result?.actual.refused).toEqual([
    { at: 5, faults: ['metrics.temperature.min: min 5 is above max 1'] },
  ]);
});
