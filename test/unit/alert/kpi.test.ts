import { describe, expect, jest, test } from '@jest/globals';
import fc from '../../support/fast-check.ts';
import { type KpiEpisode, alertKpis } from '../../../src/core/alert/analysis/kpi.ts';
import { type Flood, FloodWatch } from '../../../src/core/alert/engine/flood.ts';

// Many runs, on a machine that may be busy.
jest.setTimeout(60_000);

const MINUTE = 60_000;
const DAY = 86_400_000;

const episode = (minute: number, more: Partial<KpiEpisode> = {}): KpiEpisode => ({
  sensor: 's1',
  alertType: 'temperature_high',
  severity: 'warning',
  firedMs: minute * MINUTE,
  resolvedMs: null,
  ackedMs: null,
  backfilled: false,
  ...more,
});

function watched(minutes: readonly number[], untilMinute: number) {
  const floods: Flood[] = [];
  const watch = new FloodWatch((flood) => floods.push(flood));
  for (const minute of minutes) watch.fired(minute * MINUTE);
  watch.passTo(untilMinute * MINUTE);
  return { floods, watch };
}

describe('a flood', () => {
  test('starts with the eleventh in ten minutes, and ends when fewer than five are left', () => {
    const { floods, watch } = watched([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 4, 9], 30);
    // Nine have left at minute 12, and three are left.
    expect(floods).toEqual([{ fromMs: 4 * MINUTE, untilMs: 12 * MINUTE, fired: 12 }]);
    expect(watch.open).toBeUndefined();
    expect(watch.peak).toBe(12);
  });

  test('is no flood with ten, nor with eleven that take longer', () => {
    expect(watched(Array(10).fill(0), 20).floods).toEqual([]);
    expect(watched([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 30).floods).toEqual([]);
  });

  test('goes on until it is over', () => {
    const { floods, watch } = watched(Array(20).fill(5), 14);
    expect(floods).toEqual([]);
    expect(watch.open).toEqual({ fromMs: 5 * MINUTE, untilMs: undefined, fired: 20 });
    expect(watch.count).toBe(20);
  });

  test('equals a count at every second', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 3000 }), { maxLength: 80 }), (seconds) => {
        const times = seconds.sort((a, b) => a - b).map((second) => second * 1000);
        const floods: Flood[] = [];
        const watch = new FloodWatch((flood) => floods.push(flood));
        for (const time of times) watch.fired(time);
        watch.passTo(4000_000);
        const expected: (readonly [number, number])[] = [];
        let from: number | undefined;
        for (let now = 0; now <= 4000_000; now += 1000) {
          const count = times.filter((time) => time <= now && time > now - 600_000).length;
          if (from === undefined && count > 10) from = now;
          else if (from !== undefined && count < 5) {
            expected.push([from, now]);
            from = undefined;
          }
        }
        expect(floods.map(({ fromMs, untilMs }) => [fromMs, untilMs])).toEqual(expected);
      }),
      { numRuns: 50 },
    );
  });
});

describe('the figures', () => {
  const range = { fromMs: 0, toMs: DAY };

  test('rates are those of the whole range, and history counts apart', () => {
    const kpis = alertKpis([episode(0), episode(60), episode(61, { backfilled: true })], range);
    expect(kpis).toMatchObject({ fired: 2, backfilled: 1, most10min: 1, floods: [], floodShare: 0 });
    expect(kpis.perHour).toBeCloseTo(2 / 24);
    expect(kpis.per10min).toBeCloseTo(2 / 144);
  });

  test('a flood that goes on counts up to the end', () => {
    const last = DAY / MINUTE - 6;
    const kpis = alertKpis(Array.from({ length: 11 }, () => episode(last)), range); // prettier-ignore
    expect(kpis.floods).toEqual([{ fromMs: last * MINUTE, untilMs: undefined, fired: 11 }]);
    expect(kpis.floodShare).toBeCloseTo(6 / 1440);
  });

  test('chattering is three within ten minutes; ten minutes apart is not within', () => {
    const times = [0, 9, 10, 100, 105, 109];
    const kpis = alertKpis(times.map((minute) => episode(minute)), range); // prettier-ignore
    expect(kpis.chattering).toEqual([
      { sensor: 's1', alertType: 'temperature_high', fired: 6, share: 1, most10min: 3 },
    ]);
    const calm = alertKpis([0, 9, 10].map((minute) => episode(minute)), range); // prettier-ignore
    expect(calm.chattering).toEqual([]);
  });

  test('the most frequent come first, ten of them, with their share', () => {
    const all = Array.from({ length: 12 }, (_, sensor) =>
      Array.from({ length: sensor + 1 }, () => episode(0, { sensor: `s${sensor}` })),
    ).flat();
    const kpis = alertKpis(all, range);
    expect(kpis.top.map(({ fired }) => fired)).toEqual([12, 11, 10, 9, 8, 7, 6, 5, 4, 3]);
    expect(kpis.top[0]).toMatchObject({ sensor: 's11', share: 12 / 78 });
    expect(kpis.topShare).toBeCloseTo(75 / 78);
  });

  test('severities and times', () => {
    const kpis = alertKpis(
      [
        episode(0, { severity: 'critical', ackedMs: 2 * MINUTE, resolvedMs: 10 * MINUTE }),
        episode(1, { resolvedMs: 31 * MINUTE }),
        episode(2, { resolvedMs: 22 * MINUTE }),
        episode(3),
      ],
      range,
    );
    expect(kpis.severities).toEqual([
      { severity: 'critical', fired: 1, share: 0.25 },
      { severity: 'warning', fired: 3, share: 0.75 },
    ]);
    expect(kpis.toAck).toEqual({ count: 1, medianS: 120, p90S: 120, longestS: 120 });
    expect(kpis.toClear).toEqual({ count: 3, medianS: 1200, p90S: 1800, longestS: 1800 });
  });

  test('of nothing are none', () => {
    const kpis = alertKpis([], range);
    expect(kpis).toMatchObject({ fired: 0, perHour: 0, top: [], topShare: 0, severities: [] });
    expect(kpis.toClear).toEqual({ count: 0, medianS: null, p90S: null, longestS: null });
  });
});
