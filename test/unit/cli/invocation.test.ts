import { expect, test } from '@jest/globals';
import { configFileOf, invocationOf, withInvocation } from '../../../src/cli/invocation.ts';

const facts = { cwd: '/home/a/fieldwatch', npmLifecycleEvent: undefined };

test.each([
  ['installed for all', { ...facts, script: '/usr/local/bin/fieldwatch' }, 'fieldwatch'],
  [
    'installed for all, called by a script of npm',
    { ...facts, script: '/usr/bin/fieldwatch', npmLifecycleEvent: 'start' },
    'fieldwatch',
  ],
  [
    'a dependency of a project',
    { ...facts, script: '/srv/p/node_modules/.bin/fieldwatch' },
    'npx fieldwatch',
  ],
  [
    'npm run demo in a checkout',
    { ...facts, script: '/home/a/fieldwatch/dist/main.js', npmLifecycleEvent: 'demo' },
    'npx fieldwatch',
  ],
  ['by node in a checkout', { ...facts, script: '/home/a/fieldwatch/dist/main.js' }, 'node dist/main.js'],
  [
    'by node from elsewhere',
    { ...facts, script: '/opt/fieldwatch/dist/main.js' },
    'node /opt/fieldwatch/dist/main.js',
  ],
])('%s', (_, given, expected) => expect(invocationOf(given)).toBe(expected));

test('commands in a remedy are named as they are called; the name of the program stays', () => {
  const text = 'Run `fieldwatch migrate` as the owner, and restart fieldwatch.';
  expect(withInvocation(text, { invocation: 'npx fieldwatch' })).toBe(
    'Run `npx fieldwatch migrate` as the owner, and restart fieldwatch.',
  );
});

test.each([
  ['fieldwatch.yaml', '`fieldwatch policies repair --only late -c fieldwatch.yaml` repairs it'],
  ["my field's.yaml", "`fieldwatch policies repair --only late -c 'my field'\\''s.yaml'` repairs it"],
])('a command that is pasted reads the configuration of the call: %s', (configFile, expected) =>
  expect(
    withInvocation('`fieldwatch policies repair --only late` repairs it', {
      invocation: 'fieldwatch',
      configFile,
    }),
  ).toBe(expected),
);

test.each([
  [['run', '-c', 'a.yaml'], 'a.yaml'],
  [['run', '--config', 'a.yaml'], 'a.yaml'],
  [['run', '--config=a.yaml'], 'a.yaml'],
  [['-ca.yaml'], 'a.yaml'],
  [['alerts', 'tail'], undefined],
  [['decode', '--', '-c'], undefined],
])('%j names the configuration %s', (argv, expected) => expect(configFileOf(argv)).toBe(expected));
