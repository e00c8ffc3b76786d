import { describe, expect, test } from '@jest/globals';
import { createMetrics } from '../../../src/adapters/http/metrics.ts';
import { FailoverWatch } from '../../../src/adapters/timescale/connection/failover-watch.ts';
import {
  type QueryClient,
  readTimeline,
  refuseFormerPrimary,
} from '../../../src/adapters/timescale/connection/timeline.ts';
import type { StorableReading } from '../../../src/ports/store.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { QuietLogger } from '../../support/quiet-logger.ts';

const TEMPERATURE = new Map([['temperature', 20]]);
const reading = (timeUs: number, metrics: ReadonlyMap<string, number> = TEMPERATURE): StorableReading => ({
  sensorId: 7,
  timeUs,
  metrics,
});

/** A server that has the readings of `stored`. */
function server(cluster: string, id: number | null, stored: ReadonlySet<number> = new Set()) {
  const query = (text: string, values?: unknown[]) => {
    if (text.includes('pg_control_system')) return Promise.resolve({ rows: [{ cluster, id }] });
    const [times] = values as [number[]];
    const rows = times.flatMap((timeUs, index) => (stored.has(timeUs) ? [] : [{ number: index + 1 }]));
    return Promise.resolve({ rows });
  };
  return { query } satisfies QueryClient;
}

describe('what a failover lost', () => {
  const setup = () => {
    const clock = new FakeClock(Date.UTC(2026, 0, 1));
    const logger = new QuietLogger();
    const metrics = createMetrics();
    const watch = new FailoverWatch({ clock, logger, metrics });
    /** One batch of three readings each second; the last one of each has the number of the second. */
    const commit = (seconds: number) => {
      for (let second = 0; second < seconds; second++) {
        watch.committed([reading(1000 + second), reading(2000 + second), reading(second)]);
        clock.advance(1000);
      }
    };
    const counted = async () => {
      const body = await metrics.scrape();
      const value = (name: string) => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(body)?.[1]);
      return [
        value('fieldwatch_database_failovers_total'),
        value('fieldwatch_database_failover_lost_readings_total'),
      ];
    };
    return { watch, logger, commit, counted };
  };

  test('nothing, where the new primary has the last reading that was committed', async () => {
    const { watch, logger, commit, counted } = setup();
    await watch.connected(server('a', 1));
    commit(5);
    await watch.connected(server('a', 2, new Set([4])));
    expect(logger.find('warn')).toMatchObject([{ fields: { timeline: 2, former_timeline: 1 } }]);
    expect(logger.find('error')).toEqual([]);
    expect(await counted()).toEqual([1, 0]);
  });

  test('the commits at the end that it does not have, once; a gap before them is not its doing', async () => {
    const { watch, logger, commit, counted } = setup();
    await watch.connected(server('a', 1));
    commit(5);
    await watch.connected(server('a', 2, new Set([0, 2])));
    expect(logger.find('error')).toMatchObject([
      { fields: { code: 'DB_FAILOVER_LOSS', readings: 6, since: '2026-01-01T00:00:03.000Z' } },
    ]);
    await watch.connected(server('a', 3, new Set([2])));
    expect(await counted()).toEqual([2, 6]);
  });

  test('is not checked at a server that kept its timeline, at one of another cluster, or at one that does not show its timeline', async () => {
    const { watch, logger, commit, counted } = setup();
    await watch.connected(server('a', 1));
    commit(2);
    for (const other of [server('a', 1), server('a', null), server('b', 2), server('b', 2)])
      await watch.connected(other);
    expect(logger.entries).toEqual([]);
    expect(await counted()).toEqual([0, 0]);
  });

  test('is evaluated by readings that leave a row', async () => {
    const { watch, commit, counted } = setup();
    await watch.connected(server('a', 1));
    commit(1);
    watch.committed([reading(50, new Map())]);
    watch.committed([reading(51, new Map([['', 1]]))]);
    await watch.connected(server('a', 2, new Set([0])));
    expect(await counted()).toEqual([1, 0]);
  });

  test('of an outage of hours the last ten minutes are remembered', async () => {
    const { watch, commit, counted } = setup();
    await watch.connected(server('a', 1));
    commit(4000);
    await watch.connected(server('a', 2));
    expect(await counted()).toEqual([1, 1800]);
  });
});

describe('a former primary', () => {
  test('is refused once the timeline of its successor was seen; other clusters are others', () => {
    refuseFormerPrimary({ cluster: 'x', id: 3 });
    refuseFormerPrimary({ cluster: 'x', id: 4 });
    refuseFormerPrimary({ cluster: 'y', id: 1 });
    refuseFormerPrimary({ cluster: 'x', id: 4 });
    expect(() => refuseFormerPrimary({ cluster: 'x', id: 3 })).toThrow(
      expect.objectContaining({ code: 'DB_FORMER_PRIMARY', kind: 'transient' }),
    );
  });

  test('is unknown where the role lacks the right; other errors are those of the connection', async () => {
    const failing = (code: string) =>
      ({ query: () => Promise.reject(Object.assign(new Error('no'), { code })) }) satisfies QueryClient;
    expect(await readTimeline(failing('42501'))).toBeUndefined();
    await expect(readTimeline(failing('57P01'))).rejects.toThrow('no');
  });
});
