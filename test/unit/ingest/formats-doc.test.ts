import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { decodeOne, parseReplayLine } from '../../../src/cli/decode/decode.ts';
import { routeKeys } from '../../../src/config/schema/routes.ts';
import { CODECS } from '../../../src/core/ingest/codec/index.ts';
import { PRESETS } from '../../../src/core/ingest/preset/index.ts';
import type { Decoded } from '../../../src/core/reading.ts';
import { feed, routerOf } from '../../support/routes.ts';

const text = readFileSync(new URL('../../../docs/formats.md', import.meta.url), 'utf8');

/** The examples of the page: a configuration, a line of a capture, and the line that comes out. */
const examples = text.split(/^### /m).flatMap((section) => {
  const yaml = /```yaml\n([^]*?)```/.exec(section)?.[1];
  const [line, wanted] = /```json\n([^]*?)```/.exec(section)?.[1]?.trim().split('\n') ?? [];
  const title = section.split('\n')[0] ?? '';
  return yaml === undefined || line === undefined || wanted === undefined
    ? []
    : [{ title, yaml, line, wanted }];
});

/** The rows of the tables of messages: section, topic, payload, outcome. */
const tables = text.split(/^### /m).flatMap((section) => {
  const title = section.split('\n')[0] ?? '';
  const rows = section.matchAll(/^\| `([^`]+)` +\| `([^`]+)` +\| ([^|]+?) +\|$/gm);
  return section.includes('| payload')
    ? [...rows].map(([, ...cells]) => [title, ...cells] as [string, string, string, string])
    : [];
});

/** Encodings of whatever a device likes to send: no documentation lists their messages. */
const FREE_FORMS = ['cbor', 'msgpack'];

function rejection({ code, availability }: Extract<Decoded, { kind: 'reject' }>): string {
  if (availability !== undefined)
    return `ignored ([availability](#availability): ${availability.device} ${availability.online ? 'online' : 'offline'})`;
  if (code === 'ignored') return code;
  return code === 'no_match' ? 'no route' : `dead letter: ${code}`;
}

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

  test.each(tables)('%s: %s %s', (section, topic, payload, outcome) => {
    const yaml = examples.find(({ title }) => title === section)?.yaml ?? '';
    const hex = /^hex:(.*)/.exec(payload)?.[1];
    const message = hex === undefined ? { payload } : { payload_hex: hex };
    const decoded = feed(routerOf((parse(yaml) as { routes: unknown }).routes), { topic, ...message });
    const names = decoded.kind === 'reject' ? [] : decoded.readings.flatMap((one) => [...one.metrics.keys()]);
    const listed = (label: string) =>
      new RegExp(`(?:^|; )${label}: ([\\w/, ]+)`).exec(outcome)?.[1]?.trim().split(', ');
    if (decoded.kind === 'reject')
      expect(outcome.includes('availability') ? outcome : outcome.replace(/ \(.*/, '')).toBe(
        rejection(decoded),
      );
    else expect(names.sort()).toEqual(listed('stored')?.sort());
    for (const name of listed('not stored') ?? []) expect(names).not.toContain(name);
  });

  test('every preset whose messages are documented has a table of its messages', () => {
    const described = new Set(tables.map(([section]) => section));
    const missing = examples.filter(({ title, yaml }) => {
      const name = /preset: ([\w-]+)/.exec(yaml)?.[1];
      const preset = PRESETS.find((one) => one.name === name);
      return preset !== undefined && !FREE_FORMS.includes(preset.name) && !described.has(title);
    });
    expect(missing.map(({ title }) => title)).toEqual([]);
  });

  test('every preset, codec and key has its place', () => {
    expect(
      PRESETS.filter(({ name }) => !text.includes(`preset: ${name}`) && !text.includes(`codec: ${name}`)),
    ).toEqual([]);
    expect(CODECS.filter(({ name }) => !text.includes(`\`${name}\``))).toEqual([]);
    expect(routeKeys.filter((key) => !text.includes(`\`${key}\``) && !text.includes(`${key}:`))).toEqual([]);
  });
});
