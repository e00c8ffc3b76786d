import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import type { Cli } from '../../../src/cli/command.ts';
import { CONFIG_COMMANDS } from '../../../src/cli/config-program.ts';
import { COMMANDS } from '../../../src/cli/index.ts';

const cli = { action: (run: unknown) => run } as Cli;

test.each(COMMANDS.map((listed) => [listed.name, listed] as const))(
  '%s: the file of the command says what the list says',
  async (name, { summary, load }) => {
    const command = (await load())(cli);
    expect([command.name(), command.summary()]).toEqual([name, summary]);
    expect(command.aliases()).toEqual([]);
  },
);

test('names are unique', () => {
  expect(new Set(COMMANDS.map(({ name }) => name)).size).toBe(COMMANDS.length);
});

test('main.ts starts the commands of the configuration program with it, and no others', () => {
  const main = readFileSync('src/main.ts', 'utf8');
  const [, named = ''] = /CONFIG_COMMANDS: readonly string\[\] = \[(.*)\]/.exec(main) ?? [];
  expect(named.split(', ').map((name) => name.slice(1, -1))).toEqual(
    CONFIG_COMMANDS.map((command) => command(cli).name()),
  );
});
