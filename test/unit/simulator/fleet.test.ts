import { describe, expect, test } from '@jest/globals';
import { Fleet, type SimulatedReading } from '../../../src/simulator/fleet.ts';
import { PLACES } from '../../../src/simulator/places.ts';
import { seededRandom } from '../../../src/simulator/random.ts';

const START_MS = Date.UTC(2026, 0, 1, 12);
const NEVER = 1e15;

const fleet = (options: {
  seed?: number;
  sensors?: number;
  breachEveryMs?: number;
  silenceEveryMs?: number;
}) => new Fleet({ sensors: 50, startMs: START_MS, random: seededRandom(options.seed ?? 7), ...options });

/** Every sensor once a second. */
function run(subject: Fleet, seconds: number, stepMs = 1000): (SimulatedReading | undefined)[][] {
  return Array.from({ length: seconds }, (_, second) =>
    Array.from({ length: subject.size }, (_, index) => subject.sample(index, START_MS + second * stepMs)),
  );
}

const outside = (reading: SimulatedReading | undefined): boolean => {
  const limits = PLACES.find(({ location }) => location === reading?.location)?.limits;
  if (reading === undefined || limits === undefined) return false;
  return (['temperature', 'humidity'] as const).some(
    (metric) => reading.metrics[metric] < limits[metric].min || reading.metrics[metric] > limits[metric].max,
  );
};

describe('the simulated fleet', () => {
  test('has fifty differently named sensors at three locations', () => {
    const [first = []] = run(fleet({}), 1);
    expect(new Set(first.map((reading) => reading?.device)).size).toBe(50);
    expect(new Set(first.map((reading) => reading?.location))).toEqual(
      new Set(['greenhouse', 'warehouse', 'coldroom']),
    );
  });

  test('is the same for the same seed and another for another', () => {
    expect(run(fleet({ seed: 1 }), 30)).toEqual(run(fleet({ seed: 1 }), 30));
    expect(run(fleet({ seed: 1 }), 3)).not.toEqual(run(fleet({ seed: 2 }), 3));
  });

  test('stays within its limits all day as long as nothing happens', () => {
    const readings = run(fleet({ breachEveryMs: NEVER }), 288, 300_000).flat();
    // The first breach comes early whatever the mean: it is over after 22 seconds and its sensor is back to normal.
    const later = readings.filter((reading) => reading !== undefined && reading.ts > START_MS + 25_000);
    expect(later.length).toBeGreaterThan(10_000);
    expect(later.filter(outside)).toEqual([]);
  });

  test.each([1, 2, 3, 4, 5])('breaches within seven seconds and recovers (seed %i)', (seed) => {
    const rounds = run(fleet({ seed, breachEveryMs: NEVER, silenceEveryMs: NEVER }), 100);
    const breaching = rounds.map((round) => round.filter(outside).length);
    expect(breaching[0]).toBe(0);
    expect(Math.max(...breaching.slice(0, 7))).toBeGreaterThan(0);
    expect(breaching.slice(25).every((count) => count === 0)).toBe(true);
  });

  test('some sensors fall silent for a minute to five and come back', () => {
    const rounds = run(fleet({ silenceEveryMs: 20_000 }), 900);
    const silences = Array.from({ length: 50 }, (_, index) =>
      rounds.map((round) => round[index] === undefined),
    );
    const quiet = silences.filter((silent) => silent.includes(true));
    expect(quiet.length).toBeGreaterThan(10);
    expect(quiet.some((silent) => !(silent.at(-1) ?? true))).toBe(true);
  });

  test('a device never repeats a timestamp, however fast it is polled', () => {
    const subject = fleet({ sensors: 1, silenceEveryMs: NEVER });
    const stamps = Array.from({ length: 1000 }, () => subject.sample(0, START_MS)?.ts);
    expect(new Set(stamps).size).toBe(1000);
    expect(stamps).toEqual([...stamps].sort((a, b) => (a ?? 0) - (b ?? 0)));
  });

  test('one battery is nearly empty from the start, the others are not', () => {
    const [first = []] = run(fleet({}), 1);
    const low = first.filter((reading) => (reading?.metrics.battery ?? 100) < 15);
    expect(low.map((reading) => reading?.device)).toEqual(['warehouse-03']);
  });

  test('batteries only fall; humidity and battery are percentages; rssi is a whole number', () => {
    const readings = run(fleet({ sensors: 6, silenceEveryMs: NEVER }), 200, 3_600_000);
    for (let index = 0; index < 6; index++) {
      const battery = readings.map((round) => round[index]?.metrics.battery ?? Number.NaN);
      expect(battery).toEqual([...battery].sort((a, b) => b - a));
    }
    for (const { metrics } of readings.flat().filter((reading) => reading !== undefined)) {
      expect(metrics.battery).toBeGreaterThanOrEqual(0);
      expect(metrics.humidity).toBeGreaterThanOrEqual(0);
      expect(metrics.humidity).toBeLessThanOrEqual(100);
      expect(Number.isInteger(metrics.rssi)).toBe(true);
    }
  });
});
