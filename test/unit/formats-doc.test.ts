import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { CODECS } from '../../src/core/codec/index.ts';
import { PRESETS } from '../../src/core/preset/index.ts';
import { decodeOne, parseReplayLine } from '../../src/cli/decode-core.ts';
import { routeKeys } from '../../src/config/schema/routes.ts';
import { routerOf } from '../support/routes.ts';

const text = readFileSync(new URL('../../docs/formats.md', import.meta.url), 'utf8');

/** The examples of the page: a configuration, a line of a capture, and the line that comes out. */
const examples = text.split(/^### /m).flatMap((section) => {
  const yaml = /```yaml\n([^]*?)```/.exec(section)?.[1];
  const [line, wanted] = /```json\n([^]*?)```/.exec(section)?.[1]?.trim().split('\n') ?? [];
  const title = section.split('\n')[0] ?? '';
  return yaml === undefined || line === undefined || wanted === undefined
    ? []
    : [{ title, yaml, line, wanted }];
});

describe('docs/formats.md', () => {
  test.each(examples.map((example) => [example.title, example] as const))(
    '%s',
    (_, { yaml, line, wanted }) => {
      const router = routerOf((parse(yaml) as { routes: unknown }).routes);
      expect(
        decodeOne(
          router,
          parseReplayLine(line, 1, () => 0),
        ),
      ).toBe(wanted);
      expect(wanted).toMatch(/^\{"readings"/);
    },
  );

  test('every preset, codec and key has its place', () => {
    expect(
      PRESETS.filter(({ name }) => !text.includes(`preset: ${name}`) && !text.includes(`codec: ${name}`)),
    ).toEqual([]);
    expect(CODECS.filter(({ name }) => !text.includes(`\`${name}\``))).toEqual([]);
    expect(routeKeys.filter((key) => !text.includes(`\`${key}\``) && !text.includes(`${key}:`))).toEqual([]);
  });
});
