import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { createSystemClock } from '../../../src/adapters/system/clock.ts';
import { fingerprintOf } from '../../../src/core/notify/labels.ts';
import type { NotificationSink } from '../../../src/ports/notification.ts';
import { Alertmanager } from '../../support/alertmanager.ts';
import { eventually } from '../../support/eventually.ts';
import { SINK_DEPS, sinkOf as sinkOfConfig } from '../../support/far-side.ts';
import { HttpServer } from '../../support/http-server.ts';
import { dispatchOf, renotify } from '../../support/notifications.ts';
import { describeWith } from '../../support/tools.ts';

interface Body {
  readonly status: string;
  readonly alerts: readonly { readonly fingerprint: string; readonly labels: Record<string, string> }[];
}

/** Maps with arbitrary keys. */
const FREE = /(^l|L)abels$|nnotations$/;

/** Keys and types, all the way down. */
function shapeOf(value: unknown, key = ''): unknown {
  if (Array.isArray(value)) return value.length === 0 ? [] : [shapeOf(value[0])];
  if (typeof value !== 'object' || value === null) return typeof value;
  if (FREE.test(key)) return [...new Set(Object.values(value).map((each) => typeof each))];
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([name, each]) => [name, shapeOf(each, name)]));
}

describeWith('prometheus-alertmanager')('a real Alertmanager', () => {
  const signal = AbortSignal.timeout(300_000);
  let hook: HttpServer;
  let real: Alertmanager;
  let sink: NotificationSink;
  const nowMs = Date.now();
  const times = { eventTimeMs: nowMs, startedAtMs: nowMs - 60_000, firedAtMs: nowMs };

  beforeAll(async () => {
    hook = await HttpServer.start();
    real = await Alertmanager.start(hook.url);
  });
  afterAll(async () => {
    await real?.stop();
    await hook?.stop();
  });
  beforeEach(() => {
    sink = sinkOf(60_000);
  });

  const sinkOf = (resendMs: number) =>
    sinkOfConfig(
      {
        kind: 'alertmanager',
        url: real.url,
        labels: { site: 'north' },
        external_url: 'https://dash.example',
        resend: `${resendMs}ms`,
      },
      { ...SINK_DEPS, clock: createSystemClock() },
    );
  const held = async (sensor: string) =>
    (await real.alerts()).filter(({ labels }) => labels['sensor'] === sensor);
  const bodies = (sensor: string, status: string) =>
    (hook.bodies as Body[]).filter(
      (body) => body.status === status && body.alerts[0]?.labels['sensor'] === sensor,
    );

  test('is recognized', async () => {
    expect(await sink.probe(signal)).toMatch(/is Alertmanager \d/);
  });

  test('receives, holds and resolves; labels and fingerprint stay the same while the value changes', async () => {
    const episode = { ...times, alertId: 'a', sensorKey: 's1' };
    await sink.send(dispatchOf({ ...episode, value: 31 }), signal);
    await sink.send(dispatchOf({ ...episode, seq: 2, event: 'reminder', value: 35 }), signal);
    await renotify(sink, signal);
    const labels = { alertname: 'temperature_high', sensor: 's1', severity: 'warning', site: 'north' };
    const alerts = await held('s1');
    expect(alerts).toMatchObject([
      {
        labels,
        annotations: { value: '35', runbook_url: 'https://wiki.example/heat' },
        fingerprint: fingerprintOf(labels),
        status: { state: 'active' },
      },
    ]);
    expect(Date.parse(alerts[0]?.startsAt ?? '')).toBe(nowMs);
    await eventually('its receiver has it', () => bodies('s1', 'firing').length > 0);
    await sink.send(dispatchOf({ ...episode, seq: 3, event: 'resolved' }), signal);
    await eventually('its receiver has the end', () => bodies('s1', 'resolved').length > 0);
    expect(await held('s1')).toEqual([]);
    const prints = [...bodies('s1', 'firing'), ...bodies('s1', 'resolved')].map(
      (body) => body.alerts[0]?.fingerprint,
    );
    expect(new Set(prints)).toEqual(new Set([fingerprintOf(labels)]));
  });

  test('of an escalated alert it holds the new severity alone', async () => {
    const episode = { ...times, alertId: 'b', sensorKey: 's2' };
    await sink.send(dispatchOf(episode), signal);
    await sink.send(dispatchOf({ ...episode, seq: 2, event: 'escalated', severity: 'critical' }), signal);
    expect((await held('s2')).map(({ labels }) => labels['severity'])).toEqual(['critical']);
    await eventually('the receiver has both', () =>
      [...bodies('s2', 'firing'), ...bodies('s2', 'resolved')].some((body) => body.alerts[0]?.labels['severity'] === 'critical'),
    ); // prettier-ignore
  });

  test('holds an alert that is sent again, and ends one that is not', async () => {
    const quick = sinkOf(1000);
    await quick.send(dispatchOf({ ...times, alertId: 'c', sensorKey: 's3' }), signal);
    const endsAt = Date.parse((await held('s3'))[0]?.endsAt ?? '');
    await eventually('the first end is past', async () => {
      await renotify(quick, signal);
      return Date.now() > endsAt + 500;
    });
    expect(await held('s3')).toHaveLength(1);
    await eventually('it ends by itself', async () => (await held('s3')).length === 0);
  });

  test('its webhook’s body and ours agree in shape', async () => {
    const episode = { ...times, alertId: 'd', sensorKey: 's4' };
    const direct = await HttpServer.start();
    try {
      const ours = sinkOfConfig({
        kind: 'webhook',
        name: 'hook',
        url: direct.url,
        labels: { site: 'north' },
        external_url: 'https://dash.example',
      });
      for (const event of ['firing', 'resolved'] as const) {
        await sink.send(dispatchOf({ ...episode, event }), signal);
        await ours.send(dispatchOf({ ...episode, event }), signal);
        await eventually(`${event} arrives`, () => bodies('s4', event).length > 0);
        const theirs = bodies('s4', event)[0];
        expect(shapeOf(direct.bodies.at(-1))).toEqual(shapeOf(theirs));
        expect((direct.bodies.at(-1) as Body).alerts[0]?.fingerprint).toBe(theirs?.alerts[0]?.fingerprint);
      }
    } finally {
      await direct.stop();
    }
  });
});
