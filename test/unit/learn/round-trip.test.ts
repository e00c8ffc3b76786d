import { describe, expect, test } from '@jest/globals';
import { learnFrom, routesOf } from '../../support/learning.ts';
import { type WatchedRoute, feed, routerOf } from '../../support/routes.ts';
import { CAPTURES, type Messages } from './round-trip-captures.ts';

// What `learn` prints decodes the capture again, with the devices and metrics that an operator would name: none merged, none
// invented.

const START_MS = Date.parse('2026-01-15T12:00:00Z');
const STEP_MS = 10_000;

/** The messages, so many times over, ten seconds apart. */
function capture(messages: Messages, rounds = 6): WatchedRoute[] {
  return Array.from({ length: rounds }).flatMap((_, round) =>
    messages.map(([topic, payload]) => {
      const timeMs = START_MS + round * STEP_MS;
      const value = typeof payload === 'string' ? payload : payload(round, timeMs);
      return {
        topic,
        payload: typeof value === 'string' ? value : JSON.stringify(value),
        received_at: new Date(timeMs).toISOString(),
      };
    }),
  );
}

/** The metrics of each device. */
function decoded(messages: readonly WatchedRoute[]): Record<string, string[]> {
  const learned = learnFrom(messages);
  const router = routerOf(routesOf(learned));
  const found = new Map<string, Set<string>>();
  for (const message of messages) {
    const result = feed(router, message);
    if (result.kind === 'reject') {
      expect([message.topic, result.code]).toEqual([
        message.topic,
        expect.stringMatching(/^ignored|no_match$/),
      ]);
      continue;
    }
    expect(result.ambiguous ?? 0).toBe(0);
    for (const { device, metrics } of result.readings) {
      const names = found.get(device) ?? new Set();
      found.set(device, names);
      for (const name of metrics.keys()) names.add(name);
    }
  }
  return Object.fromEntries([...found].sort().map(([device, names]) => [device, [...names].sort()]));
}

describe('learn, then decode', () => {
  test.each(CAPTURES)('%s', (_, messages, expected) => {
    const learnt = capture(messages);
    expect(decoded(learnt)).toEqual(expected);
  });
});
