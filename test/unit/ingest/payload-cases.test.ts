import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { PRESETS } from '../../../src/core/ingest/preset/index.ts';
import type { Decoded } from '../../../src/core/reading.ts';
import { type WatchedRoute, feed, routerOf } from '../../support/routes.ts';

interface Expected {
  device: string;
  time: string;
  metrics: Record<string, number>;
}

interface Case extends WatchedRoute {
  name: string;
  preset: string;
  options?: object;
  setup?: WatchedRoute[];
  expect?: Expected[];
  reject?: string;
  also?: (string | Expected[])[];
}

const text = readFileSync(new URL('../../fixtures/payload-cases.jsonl', import.meta.url), 'utf8');
const cases = text
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => JSON.parse(line) as Case);

const known = new Set(PRESETS.map((preset) => preset.name));

function close(actual: number, wanted: number): boolean {
  return Math.abs(actual - wanted) <= 1e-6 * Math.max(1, Math.abs(wanted));
}

const millis = (iso: string): number => Math.floor(Date.parse(iso));

function differs(decoded: Decoded, wanted: string | Expected[]): string | undefined {
  if (decoded.kind === 'reject')
    return decoded.code === wanted ? undefined : `rejected: ${decoded.code} (${decoded.detail ?? ''})`;
  const shown = JSON.stringify(decoded.readings.map((one) => ({ ...one, metrics: [...one.metrics] })));
  if (typeof wanted === 'string' || wanted.length !== decoded.readings.length) return shown;
  const all = wanted.every((one) =>
    decoded.readings.some(
      (reading) =>
        reading.device === one.device &&
        Math.floor(reading.timeUs / 1000) === millis(one.time) &&
        reading.metrics.size === Object.keys(one.metrics).length &&
        Object.entries(one.metrics).every(([name, value]) => close(reading.metrics.get(name) ?? NaN, value)),
    ),
  );
  return all ? undefined : shown;
}

describe('worked payload cases', () => {
  test.each(cases.filter(({ preset }) => known.has(preset)).map((one) => [one.name, one] as const))(
    '%s',
    (_, one) => {
      const router = routerOf([{ preset: one.preset, ...one.options }]);
      const received_at = one.received_at ?? '';
      for (const message of one.setup ?? []) feed(router, { received_at, ...message });
      const decoded = feed(router, one);
      const wanted = [one.expect ?? one.reject ?? '', ...(one.also ?? [])];
      const differences = wanted.map((outcome) => differs(decoded, outcome));
      expect(differences.includes(undefined) ? undefined : differences[0]).toBeUndefined();
      expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    },
  );

  test('no case is left out', () => {
    const missing = [...new Set(cases.map(({ preset }) => preset))].filter((preset) => !known.has(preset));
    expect(missing).toEqual([]);
  });
});
