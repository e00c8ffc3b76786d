import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { sinkOf } from '../../support/far-side.ts';
import { HttpServer } from '../../support/http-server.ts';
import { T0_MS, dispatchOf, outgoing } from '../../support/notifications.ts';

const KEY = 'R0UT1NGKEYR0UT1NGKEYR0UT1NGKEY00';
let server: HttpServer;
beforeAll(async () => {
  server = await HttpServer.start();
});
beforeEach(() => {
  server.calls.length = 0;
  server.behaviour = {
    status: 202,
    body: '{"status":"success","message":"Event processed","dedup_key":"a"}',
  };
});
afterAll(() => server.stop());

const pagerduty = (more: Readonly<Record<string, unknown>> = {}) =>
  sinkOf({ kind: 'pagerduty', url: `${server.url}/`, routing_key: KEY, ...more });
const signal = AbortSignal.timeout(60_000);

test('an event names the sensor, what is wrong and how bad, where it is, and what to do', async () => {
  const sink = pagerduty({ labels: { site: 'north' }, external_url: 'https://dash.example' });
  await sink.send(dispatchOf({ alertId: 'a', metric: 'temperature', severity: 'critical' }), signal);
  expect(server.calls[0]?.path).toBe('/v2/enqueue');
  expect(server.bodies).toEqual([
    {
      routing_key: KEY,
      event_action: 'trigger',
      dedup_key: 'a',
      payload: {
        summary: 'Kitchen, left: temperature 31 °C, above 30 °C',
        source: 'kitchen',
        severity: 'critical',
        timestamp: new Date(T0_MS + 60_000).toISOString(),
        class: 'temperature_high',
        component: 'temperature',
        group: 'ground floor',
        custom_details: expect.objectContaining({
          site: 'north',
          value: '31',
          threshold: '30',
          event: 'firing',
        }),
      },
      links: [{ href: 'https://wiki.example/heat', text: 'runbook' }],
      client: 'fieldwatch',
      client_url: 'https://dash.example',
    },
  ]);
});

test('an episode is one alert there: each event has its key, and its end resolves it', async () => {
  const sink = pagerduty();
  for (const event of ['firing', 'escalated', 'reminder', 'deescalated', 'resolved'] as const)
    await sink.send(dispatchOf({ alertId: 'a', event }), signal);
  await sink.send(dispatchOf({ alertId: 'b', event: 'flapping_end', firedAtMs: null }), signal);
  const sent = server.bodies as { event_action: string; dedup_key: string }[];
  expect(sent.map(({ event_action, dedup_key }) => `${dedup_key} ${event_action}`)).toEqual([
    'a trigger',
    'a trigger',
    'a trigger',
    'a trigger',
    'a resolve',
    'b resolve',
  ]);
});

test('each of several is an event of its own', async () => {
  const notifications = ['a', 'b'].map((alertId) => outgoing({ alertId }));
  await pagerduty().send({ notifications, total: 2 }, signal);
  expect(server.calls).toHaveLength(2);
});

test.each([
  [400, '{"status":"invalid event","message":"Event object is invalid","errors":["Length of \'routing_key\' is incorrect (should be 32 characters)"]}', 'auth'],
  [400, '{"status":"invalid event","message":"Event object is invalid","errors":["\'payload.summary\' is missing or blank"]}', 'refused'],
  [429, '', 'away'],
  [500, '', 'away'],
])('HTTP %i %s is %s', async (status, body, fault) => {
  server.behaviour = { status, body };
  await expect(pagerduty().send(dispatchOf({}), signal)).rejects.toMatchObject({
    fault,
    message: expect.not.stringContaining(KEY),
  });
}); // prettier-ignore

test('a long or broken message is one line of a length that is taken', async () => {
  await pagerduty().send(dispatchOf({ sensorId: 0, message: `a\nb${'x'.repeat(5000)}` }), signal);
  const [{ payload }] = server.bodies as [{ payload: { summary: string } }];
  expect(payload.summary).toMatch(/^a bx+…$/);
  expect(payload.summary).toHaveLength(1024);
});
