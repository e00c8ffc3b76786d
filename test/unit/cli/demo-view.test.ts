import { describe, expect, test } from '@jest/globals';
import { formatAlertLine } from '../../../src/cli/alerts/line.ts';
import { type DemoSnapshot, createDemoView } from '../../../src/cli/demo/view.ts';
import { createPaint, wantsColor } from '../../../src/cli/output/terminal.ts';
import type { AlertNotification } from '../../../src/core/alert/model.ts';
import { plainText } from '../../../src/core/printable.ts';

const plain = createPaint(false);
const fired: AlertNotification = {
  alertId: '00000000-0000-5000-8000-000000000001',
  seq: 1,
  event: 'firing',
  sensorId: 7,
  sensorKey: 'coldroom-07',
  alertType: 'temperature_high',
  severity: 'warning',
  message: 'temperature 9.4 above 8',
  value: 9.4,
  threshold: 8,
  eventTimeMs: Date.UTC(2026, 0, 1, 12, 0, 5, 250),
  startedAtMs: Date.UTC(2026, 0, 1, 12),
  durationS: null,
  peakValue: null,
  runbook: null,
  reason: null,
  resolvedValue: null,
  backfilled: false,
};
const resolved: AlertNotification = {
  ...fired,
  event: 'resolved',
  durationS: 192.4,
  peakValue: 9.75,
  value: 7,
};

const squeeze = (line: string) => line.replace(/ {2,}/g, '  ');

describe('alert lines', () => {
  test.each<[string, Partial<AlertNotification>, string]>([
    ['high', {}, '● FIRING  coldroom-07  temperature_high  9.4 °C > 8 °C'],
    [
      'low',
      { alertType: 'battery_low', value: 14.5, threshold: 15 },
      '● FIRING  coldroom-07  battery_low  14.5 % < 15 %',
    ],
    ['critical', { severity: 'critical' }, '● FIRING  coldroom-07  temperature_high  9.4 °C > 8 °C critical'],
    [
      'escalated',
      { event: 'escalated', severity: 'critical', value: 12.123456, threshold: 12 },
      '▲ ESCALATED  coldroom-07  temperature_high  12.12 °C > 12 °C critical',
    ],
    [
      'rate',
      { alertType: 'temperature_rate_low', value: -3, threshold: -2 },
      '● FIRING  coldroom-07  temperature_rate_low -3 °C/min < -2 °C/min',
    ],
    [
      'anomaly below',
      { alertType: 'humidity_anomaly', value: 20, threshold: 30 },
      '● FIRING  coldroom-07  humidity_anomaly  20 % < 30 %',
    ],
    [
      'no data',
      { alertType: 'temperature_no_data', value: 900, threshold: 900 },
      '● FIRING  coldroom-07  temperature_no_data silent for 15m',
    ],
    [
      'a metric without a column of its own',
      { alertType: 'co2_high', value: 1200, threshold: 1000 },
      '● FIRING  coldroom-07  co2_high  1200 ppm > 1000 ppm',
    ],
    [
      'a metric without a unit',
      { alertType: 'level_high', value: 1200, threshold: 1000 },
      '● FIRING  coldroom-07  level_high  1200 > 1000',
    ],
    [
      'a count',
      { alertType: 'cold_chain', metric: 'cold_chain', kind: 'count', side: 'high', value: 3, threshold: 3 },
      '● FIRING  coldroom-07  cold_chain  3 >= 3',
    ],
    [
      'a count that is named like missing data',
      {
        alertType: 'cold_no_data',
        metric: 'cold_no_data',
        kind: 'count',
        side: 'high',
        value: 3,
        threshold: 3,
      },
      '● FIRING  coldroom-07  cold_no_data  3 >= 3',
    ],
    [
      'a difference with a name of its own',
      {
        alertType: 'loss_high',
        metric: 'temperature',
        kind: 'difference',
        side: 'high',
        value: 6,
        threshold: 5,
      },
      '● FIRING  coldroom-07  loss_high  6 °C > 5 °C',
    ],
  ])('%s', (_, change, expected) => {
    expect(squeeze(formatAlertLine({ ...fired, ...change }, plain))).toBe(expected);
  });

  test('resolved says how long it took and how far it went', () => {
    expect(squeeze(formatAlertLine(resolved, plain))).toBe(
      '✓ RESOLVED  coldroom-07  temperature_high  after 3m12s, highest 9.8 °C',
    );
    expect(squeeze(formatAlertLine({ ...resolved, peakValue: null }, plain))).toMatch(/after 3m12s$/);
    const low = { ...resolved, alertType: 'battery_low', threshold: 15, peakValue: 9.75 };
    expect(squeeze(formatAlertLine(low, plain))).toMatch(/after 3m12s, lowest 10 %$/);
    // It was silent for 20 s before that was noticed.
    const silence = { ...resolved, alertType: 'offline', threshold: 20, peakValue: 20 };
    expect(squeeze(formatAlertLine(silence, plain))).toMatch(/after 3m32s$/);
  });

  test('what is not notified says why', () => {
    const line = formatAlertLine({ ...fired, suppressed: 'inhibition' }, plain);
    expect(squeeze(line)).toBe('● FIRING  coldroom-07  temperature_high  9.4 °C > 8 °C (inhibited)');
  });

  test.each([
    ['reminder', '● STILL'],
    ['flapping_start', '≈ FLAPPING'],
    ['flapping_end', '≈ STEADY'],
  ] as const)('%s', (event, mark) => {
    expect(formatAlertLine({ ...fired, event }, plain).startsWith(mark)).toBe(true);
  });

  test('time first on request', () => {
    expect(formatAlertLine(fired, plain, { zone: 'UTC' })).toMatch(/^2026-01-01 12:00:05Z ● FIRING/);
  });

  test('columns line up whether or not there is colour', () => {
    const strip = (text: string) => text.replace(/\u001b\[\d+m/g, '');
    for (const alert of [fired, resolved])
      expect(strip(formatAlertLine(alert, createPaint(true)))).toBe(formatAlertLine(alert, plain));
    expect(formatAlertLine(fired, plain).indexOf('coldroom-07')).toBe(
      formatAlertLine(resolved, plain).indexOf('coldroom-07'),
    );
  });

  test('a hostile name cannot reach the terminal', () => {
    const line = formatAlertLine({ ...fired, sensorKey: 'a\u001b[2J\nb\u202e' }, plain);
    expect(line).toContain('a\\u{1b}[2J\\nb\\u{202e}');
    expect(plainText('Küche 気温 🌡')).toBe('Küche 気温 🌡');
  });
});

const snapshot = (change: Partial<DemoSnapshot> = {}): DemoSnapshot => ({
  atMs: 0,
  messagesPerSecond: 50.4,
  rowsStored: 12_345,
  sensors: 50,
  firingAlerts: 2,
  lagMs: 31.2,
  ...change,
});

const view = (change: { isTTY: boolean; columns?: number }) => {
  const written: string[] = [];
  const demo = createDemoView({
    out: { write: (text) => written.push(text) },
    color: false,
    columns: change.columns,
    isTTY: change.isTTY,
  });
  return { demo, written };
};

describe('the demo on a terminal', () => {
  const CLEAR = '\r\u001b[2K';
  const LINE = '50 messages/s · 12,345 rows stored · 2 firing · 50 sensors · lag 31 ms';

  test('updates its progress line in place and keeps it below alerts', () => {
    const { demo, written } = view({ isTTY: true });
    demo.progress(snapshot());
    demo.alert(fired);
    demo.note('hello');
    demo.close();
    demo.close();
    demo.progress(snapshot());
    demo.alert(fired);
    expect(written).toEqual([
      `${CLEAR}${LINE}`,
      `${CLEAR}${formatAlertLine(fired, plain)}\n${LINE}`,
      `${CLEAR}hello\n${LINE}`,
      '\n',
    ]);
  });

  test.each([true, false])('nothing is written to a terminal that is gone (live: %s)', (isTTY) => {
    const { demo, written } = view({ isTTY });
    demo.progress(snapshot());
    const before = written.length;
    demo.abandon();
    demo.note('stopping …');
    demo.settle();
    demo.close();
    expect(written).toHaveLength(before);
  });

  test('stopping leaves the last figures above later lines', () => {
    const { demo, written } = view({ isTTY: true });
    demo.progress(snapshot());
    demo.settle();
    demo.note('stopping …');
    demo.close();
    expect(written).toEqual([`${CLEAR}${LINE}`, '\n', `${CLEAR}stopping …\n`]);
  });

  test.each([
    [80, LINE],
    [0, LINE],
    [60, '50 messages/s · 12,345 rows stored · 2 firing · 50 sensors'],
    [10, '50 messages/s'],
  ])('shows what fits into %i columns', (columns, expected) => {
    const { demo, written } = view({ isTTY: true, columns });
    demo.progress(snapshot());
    expect(written).toEqual([`${CLEAR}${expected}`]);
  });
});

describe('the demo in a pipe', () => {
  test('prints a progress line every five seconds, alerts at once, and no escape sequence', () => {
    const { demo, written } = view({ isTTY: false });
    for (const atMs of [0, 1000, 4999, 5000, 5100, 10_000]) demo.progress(snapshot({ atMs, lagMs: null }));
    demo.alert(resolved);
    demo.close();
    demo.note('late');
    expect(written).toHaveLength(4);
    expect(written[0]).toBe('50 messages/s · 12,345 rows stored · 2 firing · 50 sensors · lag -\n');
    expect(written.join('')).not.toContain('\u001b');
  });
});

test.each<[string, boolean, Record<string, string>, boolean]>([
  ['a terminal', true, {}, true],
  ['a pipe', false, {}, false],
  ['NO_COLOR', true, { NO_COLOR: '1' }, false],
  ['an empty NO_COLOR', true, { NO_COLOR: '' }, true],
  ['a dumb terminal', true, { TERM: 'dumb' }, false],
])('colour on %s', (_, isTTY, env, expected) => {
  expect(wantsColor({ stdout: { isTTY } as never, env })).toBe(expected);
});
