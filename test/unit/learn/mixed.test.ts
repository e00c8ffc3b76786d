import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { checkConfigCommand } from '../../../src/cli/check-config.ts';
import { decodeCommand } from '../../../src/cli/decode/index.ts';
import { learnCommand } from '../../../src/cli/learn.ts';
import { FILTERED_CODES } from '../../../src/core/reading.ts';
import { runCli } from '../../support/cli.ts';

// Seventeen ecosystems and formats on one broker, with discovery, bridges, commands and pictures between them.
const capture = fileURLToPath(new URL('../../fixtures/mixed-capture.jsonl', import.meta.url));

let dir: string;
let config: string;
let printed: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'fieldwatch-learn-'));
  config = join(dir, 'learnt.yaml');
  const { code, out } = await runCli(learnCommand, ['--replay', capture]);
  expect(code).toBe(0);
  printed = out;
  await writeFile(config, out);
});
afterAll(() => rm(dir, { recursive: true, force: true }));

describe('learn on a mixed capture', () => {
  test('names every ecosystem, and what belongs to none by its topics', () => {
    const { routes } = parse(printed) as { routes: Record<string, unknown>[] };
    const presets = routes.flatMap(({ preset }) => (preset === undefined ? [] : [preset]));
    expect(presets.sort()).toEqual([
      ...['chirpstack-v4', 'edgex', 'esphome', 'homie', 'owntracks', 'rtl_433', 'ruuvi', 'senml'],
      ...['shelly-gen2', 'sparkplug-b', 'tasmota', 'theengs', 'thingsboard-gateway', 'ttn-v3', 'zigbee2mqtt'],
    ]);
    const own = routes.filter(({ preset }) => preset === undefined);
    expect(own).toEqual([
      {
        topic: 'greenhouse/climate',
        codec: 'json',
        device: 'climate',
        time: { path: '/when' },
        fields: { pressure: { unit: 'Pa' } },
      },
      {
        topic: 'gw/g1/batch',
        codec: 'json',
        items: '/records',
        pivot: { items: '/values', name: '/n', value: '/v' },
        time: { path: '/at' },
      },
      { topic: 'telegraf/web1/cpu', codec: 'line-protocol', device_tag: 'host' },
      { topic: 'bin/{device}', codec: 'cbor' },
      { topic: 'sensors/{location}/{device}/readings', codec: 'json' },
      { topic: 'house/{device}/analog/{metric}', codec: 'scalar' },
    ]);
  });

  test('is a valid configuration', async () => {
    const { code, out } = await runCli(checkConfigCommand, ['-c', config]);
    expect([code, out]).toEqual([0, expect.stringContaining('routes 21')]);
  });

  test('which decodes the capture without a dead letter', async () => {
    const { out } = await runCli(decodeCommand, ['-c', config, '--replay', capture]);
    const lines = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { reject?: never; readings?: [] });
    expect(lines.flatMap(({ reject }) => reject ?? []).filter((code) => !FILTERED_CODES.has(code))).toEqual(
      [],
    );
    expect(lines.filter(({ readings }) => readings !== undefined).length).toBeGreaterThan(95);
  });

  test('reports the received devices, their metrics, their rhythm, and what was left out', () => {
    expect(printed).toContain('# Zigbee2MQTT devices: 6 messages on 2 topics, 1.15 a minute');
    expect(printed).toContain('#   2 devices: kitchen/window, cellar');
    expect(printed).toMatch(/# {3}battery 97…100 %, humidity 45.07 %, linkquality 113…224 lqi/);
    expect(printed).toContain('Home Assistant discovery: 2 messages on 2 topics');
    expect(printed).toContain('camera/garage/snapshot');
  });

  test('is what docs/formats.md shows', () => {
    const page = readFileSync(new URL('../../../docs/formats.md', import.meta.url), 'utf8');
    const [, shown = ''] = /## Learn it from the broker[^]*?```yaml\n([^]*?)```/.exec(page) ?? [];
    const lines = shown.split('\n').filter((line) => line.trim() !== '');
    expect(lines.length).toBeGreaterThan(15);
    expect(lines.filter((line) => !printed.split('\n').includes(line))).toEqual([]);
  });

  test('--json says the same', async () => {
    const { out } = await runCli(learnCommand, ['--replay', capture, '--json']);
    const learned = JSON.parse(out);
    expect(learned).toMatchObject({ messages: 158, topics: 63, not_placed: [] });
    expect(learned.routes[0]).toMatchObject({
      route: { preset: 'zigbee2mqtt' },
      messages: 6,
      devices: ['kitchen/window', 'cellar'],
      metrics: expect.arrayContaining([
        { name: 'temperature', unit: '°C', values: 6, min: 12.5, max: 23.58 },
      ]),
    });
  });
});

describe('learn proposes nothing', () => {
  test.each([
    ['about an empty capture', '', 1],
    ['about broken lines', '{"topic":', 2],
  ])('%s', async (_, text, code) => {
    const file = join(dir, 'odd.jsonl');
    await writeFile(file, text);
    const run = runCli(learnCommand, ['--replay', file]);
    if (code === 1) expect(await run).toMatchObject({ code: 1, out: '' });
    else await expect(run).rejects.toMatchObject({ code: 'USAGE' });
  });

  test('--replay and --seconds exclude each other', async () => {
    await expect(runCli(learnCommand, ['--replay', capture, '--seconds', '3'])).rejects.toMatchObject({
      code: 'USAGE',
    });
  });
});
