import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { SinkError } from '../../../src/core/notify/sink-error.ts';
import { sinkOf as sinkOfConfig } from '../../support/far-side.ts';
import { HttpServer } from '../../support/http-server.ts';
import { T0_MS, dispatchOf, outgoing } from '../../support/notifications.ts';

let server: HttpServer;
beforeAll(async () => {
  server = await HttpServer.start();
});
beforeEach(() => {
  server.calls.length = 0;
  server.behaviour = { status: 200 };
});
afterAll(() => server.stop());

const sinkOf = (more: { secret?: string; url?: string; token?: string } = {}) =>
  sinkOfConfig({
    kind: 'webhook',
    url: `${server.url}/hook`,
    headers: { 'x-team': 'north' },
    labels: { site: 'north' },
    external_url: 'https://dash.example',
    ...more,
  });
const signal = AbortSignal.timeout(60_000);

test('the body is version 4 of Alertmanager’s webhook', async () => {
  await sinkOf().send(dispatchOf({ alertId: 'a', event: 'resolved', seq: 2 }), signal);
  const labels = { alertname: 'temperature_high', sensor: 'kitchen', severity: 'warning', site: 'north' };
  const annotations = {
    summary: 'Kitchen, left: temperature 29 °C, back to normal',
    value: '29',
    threshold: '30',
    unit: '°C',
    peak_value: '33',
    name: 'Kitchen, left',
    location: 'ground floor',
    reason: 'value',
    runbook_url: 'https://wiki.example/heat',
  };
  expect(server.bodies).toEqual([
    {
      version: '4',
      receiver: 'ops',
      status: 'resolved',
      groupKey: '{}:{alertname="temperature_high"}',
      truncatedAlerts: 0,
      groupLabels: { alertname: 'temperature_high' },
      commonLabels: labels,
      commonAnnotations: annotations,
      externalURL: 'https://dash.example',
      alerts: [
        {
          status: 'resolved',
          labels,
          annotations,
          startsAt: '2026-01-01T00:01:00.000Z',
          endsAt: '2026-01-01T00:04:00.000Z',
          generatorURL: 'https://dash.example',
          fingerprint: expect.stringMatching(/^[0-9a-f]{16}$/),
        },
      ],
    },
  ]);
});

test('the fingerprint and the start are the same for all of an episode, the key for all attempts', async () => {
  await sinkOf().send(dispatchOf({ alertId: 'a' }), signal);
  await sinkOf().send(dispatchOf({ alertId: 'a' }), signal);
  await sinkOf().send(dispatchOf({ alertId: 'a', seq: 2, event: 'resolved' }), signal);
  const alerts = server.bodies.map(
    (body) => (body as { alerts: { fingerprint: string; startsAt: string }[] }).alerts[0],
  );
  expect(new Set(alerts.map((alert) => `${alert?.fingerprint} ${alert?.startsAt}`)).size).toBe(1);
  expect(server.calls.map(({ headers }) => headers['idempotency-key'])).toEqual(['a-1', 'a-1', 'a-2']);
});

test('a group says how many it leaves out', async () => {
  await sinkOf().send({ notifications: [outgoing(), outgoing({ sensorKey: 'attic' })], total: 5000 }, signal);
  expect(server.bodies).toMatchObject([
    { truncatedAlerts: 4998, commonLabels: { alertname: 'temperature_high', site: 'north' } },
  ]);
  expect(server.bodies[0]).not.toHaveProperty('commonLabels.sensor');
});

test('the signature is HMAC-SHA256 over timestamp and body', async () => {
  await sinkOf({ secret: 'k3y' }).send(dispatchOf({}), signal);
  const [call] = server.calls;
  const timestamp = call?.headers['x-fieldwatch-timestamp'];
  expect(timestamp).toBe(String(T0_MS / 1000));
  const digest = createHmac('sha256', 'k3y')
    .update(`${String(timestamp)}.${call?.body}`)
    .digest('hex');
  expect(call?.headers['x-fieldwatch-signature']).toBe(`v1=${digest}`);
});

test('without a secret there is no signature; a token is a bearer token, credentials in the url are basic', async () => {
  await sinkOf({ token: 'tok' }).send(dispatchOf({}), signal);
  const url = new URL(`${server.url}/hook`);
  [url.username, url.password] = ['u', 'p w'];
  await sinkOf({ url: url.href }).send(dispatchOf({}), signal);
  expect(server.calls[0]?.headers).toMatchObject({ authorization: 'Bearer tok', 'x-team': 'north' });
  expect(server.calls[0]?.headers).not.toHaveProperty('x-fieldwatch-signature');
  expect(server.calls[1]?.headers['authorization']).toBe(`Basic ${Buffer.from('u:p w').toString('base64')}`);
});

test('a redirect is not followed: neither alert nor token go elsewhere', async () => {
  const other = await HttpServer.start();
  try {
    server.behaviour = { status: 307, headers: { location: `${other.url}/steal` } };
    const error: unknown = await sinkOf({ token: 'tok' })
      .send(dispatchOf({}), signal)
      .catch((e: unknown) => e);
    expect(error).toMatchObject({ fault: 'setup', message: expect.stringContaining('a redirect') });
    expect(other.calls).toEqual([]);
  } finally {
    await other.stop();
  }
});

test.each([
  [400, 'refused'], [401, 'auth'], [403, 'auth'], [404, 'setup'], [405, 'setup'], [408, 'away'], [413, 'refused'],
  [422, 'refused'], [425, 'away'], [429, 'away'], [500, 'away'], [502, 'away'], [503, 'away'],
])('HTTP %i is "%s"', async (status, fault) => {
  server.behaviour = { status, headers: { 'retry-after': '7' } };
  const error = (await sinkOf().send(dispatchOf({}), signal).catch((e: unknown) => e)) as SinkError;
  expect(error).toMatchObject({ fault, retryAfterMs: 7000 });
}); // prettier-ignore

test('of a long answer only the beginning is read', async () => {
  server.behaviour = { status: 500, body: 'x'.repeat(5_000_000) };
  const error = (await sinkOf()
    .send(dispatchOf({}), signal)
    .catch((e: unknown) => e)) as SinkError;
  expect(error.message.length).toBeLessThan(300);
});
