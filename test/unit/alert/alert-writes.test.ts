import { expect, test } from '@jest/globals';
import { writeAlerts } from '../../../src/adapters/timescale/alert/alert-writes.ts';
import type { Work } from '../../../src/adapters/timescale/connection/session.ts';
import {
  type AlertResolution,
  type AlertStateRow,
  EMPTY_ALERT_BATCH,
} from '../../../src/core/alert/model.ts';
import { notificationOf } from '../../support/notifications.ts';

const ROWS = 2500;
const keyOf = (n: number) => ({ sensorId: ROWS - n, metric: 'temperature', kind: 'threshold', side: 'high' });

// A message may raise as many alerts as it has values. One statement of all of them took a second to encode.
test('a statement has a bounded number of rows, and all of them are written, in the order of their keys', async () => {
  const statements: { readonly text: string; readonly first: readonly unknown[] }[] = [];
  const work = {
    query: async (text: string, [first = []]: unknown[][] = []) => {
      statements.push({ text, first });
      return { rowCount: first.length, rows: [] };
    },
  } as unknown as Work;
  const numbers = Array.from({ length: ROWS }, (_, n) => n);
  await writeAlerts(work, {
    ...EMPTY_ALERT_BATCH,
    resolved: numbers.map(
      (n) => ({ ...keyOf(n), firedAtUs: n, resolvedAtUs: n }) as unknown as AlertResolution,
    ),
    states: numbers.map(
      (n) =>
        ({
          ...keyOf(n),
          ...{ state: 'firing', detail: {}, lastEventUs: n, sinceUs: n, startedAtUs: n, firedAtUs: n },
        }) as unknown as AlertStateRow,
    ),
    notifications: numbers.map((n) => ({ ...notificationOf(), alertId: `a${n}` })),
  });
  for (const [name, expected] of [
    [/^UPDATE sensor_alerts/, numbers.map((n) => n + 1)],
    [/^INSERT INTO alert_state/, numbers.map((n) => n + 1)],
    [/^INSERT INTO alert_outbox/, numbers.map((n) => `a${n}`)],
  ] as const) {
    const parts = statements.filter(({ text }) => name.test(text.trim()));
    expect(parts.map(({ first }) => first.length)).toEqual([1000, 1000, 500]);
    expect(parts.flatMap(({ first }) => first)).toEqual(expected);
  }
});
