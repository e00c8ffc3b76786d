import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';

const root = join(import.meta.dirname, '../../..');
const page = readFileSync(join(root, 'docs/architecture.md'), 'utf8');
const sections = page.split(/^## /m).slice(1);
const STEP = /^(\d+)\. `(\w+)` \(`(src\/[^`]+\.ts)`\)/;

test('four paths are written down', () => {
  expect(sections).toHaveLength(4);
});

describe.each(sections.map((section) => [section.slice(0, section.indexOf('\n')), section]))(
  '%s',
  (_, section) => {
    const steps = section.split('\n').filter((line) => /^\d+\./.test(line));

    test('has at most twelve steps, each with a function and its file', () => {
      expect(steps.filter((step) => !STEP.test(step))).toEqual([]);
      expect(steps.map((step) => Number.parseInt(step, 10))).toEqual(steps.map((_step, at) => at + 1));
      expect(steps.length).toBeGreaterThanOrEqual(6);
      expect(steps.length).toBeLessThanOrEqual(12);
    });

    test.each(steps.map((step) => STEP.exec(step)!.slice(2, 4) as [string, string]))(
      '%s is declared in %s',
      (name, file) => {
        expect(existsSync(join(root, file))).toBe(true);
        const text = readFileSync(join(root, file), 'utf8');
        expect(text).toMatch(
          new RegExp(`(?:function\\*? |class |^  (?:async )?(?:#|private )?(?:async )?)${name}[(<{ ]`, 'm'),
        );
      },
    );
  },
);

test('a message passes ten files at most', () => {
  const files = new Set([...sections[0]!.matchAll(/`(src\/[^`]+)`/g)].map(([, file]) => file));
  expect(files.size).toBeLessThanOrEqual(10);
});

test('CONTRIBUTING names files and folders that exist', () => {
  const contributing = readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8');
  const named = [...contributing.matchAll(/`((?:src|test|sql|docs|config|scripts)\/[\w./-]+)`/g)].map(
    ([, path]) => path!,
  );
  expect(named.length).toBeGreaterThan(10);
  expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});
