import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { compare } from '../../../src/cli/rules/compare.ts';
import { linesOf } from '../../../src/cli/rules/outcome-lines.ts';
import { readScenarios } from '../../../src/cli/rules/scenario-file.ts';
import { runScenario } from '../../../src/core/alert/scenario.ts';
import { alertId } from '../../../src/services/alert-id.ts';

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

test('the example of docs/alerts.md', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/alerts.md'), 'utf8');
  const example = page.split('```yaml\n').find((block) => block.includes('timeline:'));
  const results = run(example?.split('```')[0] ?? '');
  expect(results.map(({ differences }) => differences)).toEqual([[]]);
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
    ['timelime: []', 'timelime'],
  ])('%s is refused', (text, message) => {
    expect(() => readScenarios(text)).toThrow(message);
  });
});
