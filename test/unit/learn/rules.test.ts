import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parse, stringify } from 'yaml';
import { checkConfigCommand } from '../../../src/cli/check-config.ts';
import { learnCommand } from '../../../src/cli/learn.ts';
import { rulesTestCommand } from '../../../src/cli/rules/test.ts';
import { runCli } from '../../support/cli.ts';

// `learn --alerts` over captures: what check-config accepts and `rules test` runs.

const START_MS = Date.parse('2026-01-15T12:00:00Z');
let dir: string;
beforeAll(async () => (dir = await mkdtemp(join(tmpdir(), 'fieldwatch-learn-rules-'))));
afterAll(() => rm(dir, { recursive: true, force: true }));

interface Line {
  readonly topic: string;
  readonly payload: unknown;
  readonly atS: number;
  readonly retain?: boolean;
}

const every = (seconds: number, rounds: number, topic: string, payload: unknown): Line[] =>
  Array.from({ length: rounds }, (_, n) => ({ topic, payload, atS: n * seconds }));

async function learnt(lines: readonly Line[], timed = true, args: readonly string[] = []) {
  const capture = join(dir, 'capture.jsonl');
  const text = lines
    .toSorted((a, b) => a.atS - b.atS)
    .map(({ topic, payload, atS, retain = false }) =>
      JSON.stringify({
        topic,
        retain,
        payload: JSON.stringify(payload),
        ...(timed ? { received_at: new Date(START_MS + atS * 1000).toISOString() } : {}),
      }),
    );
  await writeFile(capture, text.join('\n'));
  const { out } = await runCli(learnCommand, ['--replay', capture, '--alerts', ...args]);
  return { out, ...(args.length > 0 ? {} : (parse(out) as { alerts?: unknown; routes: unknown[] })) };
}

const MISSED = [
  { alert_type: 'humidity_no_data', time: 300 },
  { alert_type: 'temperature_no_data', time: 300 },
];
const room = (device: string): string => `rooms/${device}/climate`;
const climate = { temperature: 21, humidity: 40 };
const sns = (blocks: object): object => ({ Time: '2026-01-15T12:00:00', ...blocks, TempUnit: 'C' });

describe('silence', () => {
  test('a steady rhythm of all devices is a rule for all, by the slowest; check-config and rules test take it', async () => {
    const { out, alerts } = await learnt([
      ...every(30, 11, room('n1'), climate),
      ...every(60, 6, room('n2'), climate),
    ]);
    const rule = { no_data_after: '5m' };
    expect(alerts).toEqual({ metrics: { temperature: rule, humidity: rule } });
    const file = join(dir, 'fieldwatch.yaml');
    await writeFile(file, out);
    expect((await runCli(checkConfigCommand, ['-c', file])).code).toBe(0);
    const scenario = join(dir, 'scenario.yaml');
    const timeline = [
      { at: 0, metrics: climate },
      { at: 299, tick: true },
      { at: 301, tick: true },
    ];
    await writeFile(scenario, stringify({ alerts, timeline, expect: { rows: MISSED } }));
    const { code, out: report } = await runCli(rulesTestCommand, [scenario]);
    expect([report, code]).toEqual([expect.stringContaining('1 passed'), 0]);
  });

  test('a device without a rhythm makes it a rule of the others, each for itself', async () => {
    const { out, alerts } = await learnt([
      ...every(10, 30, room('n1'), climate),
      ...[0, 3, 5, 200, 290].flatMap((atS) => every(0, 1, room('door'), climate).map((m) => ({ ...m, atS }))),
    ]);
    const rule = { no_data_after: '1m' };
    expect(alerts).toEqual({ overrides: [{ sensor: 'n1', metrics: { temperature: rule, humidity: rule } }] });
    expect(out).toMatch(/no steady interval was observed: temperature, humidity/);
  });

  const none: readonly (readonly [string, Line[], boolean])[] = [
    ['three messages', every(10, 3, room('n1'), climate), true],
    [
      'what the broker had retained',
      every(10, 9, room('n1'), climate).map((m) => ({ ...m, retain: true })),
      true,
    ],
    [
      'a burst, and silence to the end',
      [...every(1, 6, room('n1'), climate), ...every(300, 2, 'x/y', 'on')],
      true,
    ],
    ['a capture that does not say when', every(10, 9, room('n1'), climate), false],
    ['a metric that is called like the wildcard', every(10, 9, room('n1'), { '*': 1 }), true],
  ];
  test.each(none)('none: %s', async (_, lines, timed) => {
    const { alerts, out } = await learnt(lines, timed);
    expect([alerts, out]).toEqual([undefined, expect.stringMatching(/^# No rules to propose: /m)]);
  });

  test('as JSON', async () => {
    const { out } = await learnt(every(600, 5, room('n1'), { temperature: 1 }), true, ['--json']);
    expect(JSON.parse(out)).toMatchObject({
      alerts: { metrics: { temperature: { no_data_after: '30m' } } },
      unsteady: [],
    });
  });
});

describe('limits', () => {
  const once = (topic: string, payload: unknown): Line[] => every(10, 1, topic, payload);

  test('what the part that a Tasmota device names can measure', async () => {
    const { alerts } = await learnt([
      ...once('tele/boiler/SENSOR', sns({ DS18B20: { Id: '01', Temperature: 60 } })),
      ...once('tele/hall/SENSOR', sns({ BME280: { Temperature: 20, Humidity: 40, Pressure: 1000 } })),
    ]);
    expect(alerts).toEqual({
      metrics: {
        temperature: { min: -55, max: 125 },
        humidity: { min: 0, max: 100 },
        pressure: { min: 300, max: 1100 },
      },
    });
  });

  test('parts that are devices of their own', async () => {
    const { alerts } = await learnt(
      once(
        'tele/hall/SENSOR',
        sns({ 'DS18B20-1': { Temperature: 60 }, 'SHT3X-0x44': { Temperature: 20, Humidity: 1 } }),
      ),
    );
    expect(alerts).toEqual({
      metrics: { temperature: { min: -55, max: 125 }, humidity: { min: 0, max: 100 } },
    });
  });

  test('a part that is not known, or another device with the metric, leaves it to the devices that are certain', async () => {
    const { alerts } = await learnt([
      ...once('tele/hall/SENSOR', sns({ AM2301: { Temperature: 20, Humidity: 40 } })),
      ...once('tele/attic/SENSOR', sns({ DHT11: { Temperature: 20 } })),
    ]);
    expect(alerts).toEqual({
      metrics: { humidity: { min: 0, max: 100 } },
      overrides: [{ sensor: 'hall', metrics: { temperature: { min: -40, max: 80 } } }],
    });
  });

  test('a RuuviTag is one, whatever it is called', async () => {
    const data = '0201061BFF99040512FC5394C37C0004FFFC040CAC364200CDCBB8334C884F';
    const { alerts } = await learnt(
      once('ruuvi/C0:FF/CB:B8', { gw_mac: 'C0:FF', gwts: '1768478400', ts: '1768478400', data, rssi: -50 }),
    );
    expect(alerts).toMatchObject({ metrics: { temperature: { min: -40, max: 85 } } });
  });
});
