import { expect, test } from '@jest/globals';
import { SINK_DEPS, sinkOf } from '../../support/far-side.ts';
import { jsons, learnFrom, routesOf } from '../../support/learning.ts';
import { outgoing } from '../../support/notifications.ts';
import type { WatchedRoute } from '../../support/routes.ts';

test('notifications at the broker are no telemetry, whatever their prefix', async () => {
  const sent: WatchedRoute[] = [];
  const sink = sinkOf(
    { kind: 'mqtt', prefix: 'site/9/notices', retain: 'while_firing' },
    { ...SINK_DEPS, publish: async (topic, payload) => void sent.push({ topic, payload }) },
  );
  const signal = new AbortController().signal;
  for (const event of ['firing', 'resolved'] as const)
    for (const sensorKey of ['a', 'b'])
      await sink.send({ notifications: [outgoing({ sensorKey, event })], total: 1 }, signal);
  expect(sent.length).toBe(6);
  const learned = learnFrom([
    ...sent,
    ...jsons({ 'hall/a': { temperature: 1 }, 'hall/b': { temperature: 2 } }),
  ]);
  expect(routesOf(learned).map(({ topic }) => topic)).toEqual(['hall/{device}']);
});
