import { expect, test } from '@jest/globals';
import { createMetrics } from '../../../src/adapters/http/metrics.ts';
import type { Series } from '../../../src/core/alert/engine/series.ts';
import type { Severity } from '../../../src/core/alert/model.ts';
import { exportAlertStates } from '../../../src/services/alert/state-series.ts';

/** As much of a series as the export reads. */
const open = (
  key: string,
  severity: Severity,
  { startedAtUs = 0, kind = 'firing', alertType = 'temperature_high' } = {},
): Series =>
  ({
    sensor: { key },
    instances: [{ condition: { alertType }, committed: { kind, episode: { severity, startedAtUs } } }],
  }) as unknown as Series;
const pending = { sensor: { key: 'p' }, instances: [{ condition: { alertType: 'x_high' }, committed: { kind: 'pending' } }] } as unknown as Series; // prettier-ignore

async function scrapesOf(states: readonly (readonly Series[])[], most: number) {
  const metrics = createMetrics();
  let now: readonly Series[] = [];
  exportAlertStates(metrics, () => now, most);
  const scrapes: string[][] = [];
  for (now of states) {
    const text = await metrics.scrape();
    scrapes.push(text.split('\n').filter((line) => /^fieldwatch_alert_state/.test(line)));
  }
  return { metrics, scrapes };
}

const LEFT_OUT = 'fieldwatch_alert_states_left_out';

test('each open alert is a series, as long as it is open', async () => {
  const { scrapes } = await scrapesOf(
    [
      [open('a', 'critical'), open('b', 'info', { kind: 'latched', alertType: 'offline' }), pending],
      [open('b', 'warning', { kind: 'recovering', alertType: 'offline' })],
      [],
    ],
    10,
  );
  expect(scrapes).toEqual([
    [
      'fieldwatch_alert_state{sensor="a",type="temperature_high",severity="critical",state="firing"} 1',
      'fieldwatch_alert_state{sensor="b",type="offline",severity="info",state="latched"} 1',
      `${LEFT_OUT} 0`,
    ],
    [
      'fieldwatch_alert_state{sensor="b",type="offline",severity="warning",state="recovering"} 1',
      `${LEFT_OUT} 0`,
    ],
    [`${LEFT_OUT} 0`],
  ]);
});

test('beyond the limit the most severe have one, of one severity the oldest; the others are counted', async () => {
  const alerts = [
    open('w3', 'warning', { startedAtUs: 3 }),
    open('w1', 'warning', { startedAtUs: 1 }),
    open('i', 'info'),
    open('c', 'critical', { startedAtUs: 9 }),
    open('w2', 'warning', { startedAtUs: 2 }),
  ];
  const { scrapes } = await scrapesOf([alerts], 3);
  expect(scrapes[0]?.map((line) => /sensor="(\w+)"/.exec(line)?.[1] ?? line)).toEqual([
    'c',
    'w1',
    'w2',
    `${LEFT_OUT} 2`,
  ]);
});

test('alerts that began at one moment are bounded, too, and 100,000 of them', async () => {
  const many = Array.from({ length: 100_000 }, (_, n) => open(`s${n}`, 'warning'));
  const { scrapes } = await scrapesOf([many], 1000);
  expect(scrapes[0]).toHaveLength(1001);
  expect(scrapes[0]?.at(-1)).toBe(`${LEFT_OUT} 99000`);
});

test('two alerts of the same labels are one series', async () => {
  const { scrapes } = await scrapesOf([[open('a', 'info'), open('a', 'info')]], 10);
  expect(scrapes[0]?.[0]).toMatch(/ 2$/);
});

test('a limit of 0 exports nothing, and the database never gets a row for each alert', async () => {
  expect((await scrapesOf([[open('a', 'info')]], 0)).scrapes).toEqual([[]]);
  const { metrics } = await scrapesOf([[open('a', 'info')]], 10);
  const stored = (await metrics.figures()).map(({ name }) => name);
  expect([stored.includes(LEFT_OUT), stored.includes('fieldwatch_alert_state')]).toEqual([true, false]);
});
