import { expect, test } from '@jest/globals';
import { Fleet } from '../../../src/simulator/fleet.ts';
import { seededRandom } from '../../../src/simulator/random.ts';
import { STORY, storySeconds } from '../../../src/simulator/story.ts';

const START_MS = Date.UTC(2026, 0, 1, 12);
const SENSORS = 50;

/** What a sensor of the story says, second by second. */
function measured(device: string, seconds: number) {
  const fleet = new Fleet({ sensors: SENSORS, startMs: START_MS, random: seededRandom(1), story: true });
  const index = SENSORS - STORY.length + STORY.findIndex((sensor) => sensor.device === device);
  return Array.from({ length: seconds }, (_, second) => fleet.sample(index, START_MS + second * 1000));
}

test('the door of the freezer is left open and closed: it is too warm for longer than the rule waits, and well within a minute', () => {
  const warm = measured('freezer-01', 120).map((reading) => (reading?.metrics.temperature ?? 0) > -15);
  expect([warm.indexOf(true), warm.lastIndexOf(true)]).toEqual([expect.any(Number), expect.any(Number)]);
  expect(warm.indexOf(true)).toBeLessThan(15);
  expect(warm.lastIndexOf(true) - warm.indexOf(true)).toBeGreaterThan(20);
  expect(warm.lastIndexOf(true)).toBeLessThan(75);
});

test('one falls silent and comes back, one drifts out of its limits', () => {
  const spoke = measured('cellar-01', 300).map((reading) => reading !== undefined);
  expect([spoke.indexOf(false), spoke.lastIndexOf(false)]).toEqual([25, 239]);
  const humidity = measured('warehouse-01', 300).map((reading) => reading!.metrics.humidity);
  expect(humidity[60]).toBeLessThan(60);
  expect(humidity[240]).toBeGreaterThan(65);
});

test('it comes again every ten minutes, and a small fleet has none', () => {
  expect(storySeconds(605_000)).toBe(5);
  const fleet = new Fleet({ sensors: 3, startMs: START_MS, random: seededRandom(1), story: true });
  expect([0, 1, 2].map((index) => fleet.sample(index, START_MS)?.location)).toEqual([
    'greenhouse',
    'warehouse',
    'coldroom',
  ]);
});
