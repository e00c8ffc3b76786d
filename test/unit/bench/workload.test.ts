import { describe, expect, test } from '@jest/globals';
import { daemonConfig, daemonConfigText } from '../../../bench/daemon-config.ts';
import { mqttString, publishPacket, remainingLength } from '../../../bench/publisher.ts';
import { SENSORS, Timeline, chunked, messagesOf, readingsOf, topicsOf } from '../../../bench/workload.ts';
import { compileRoutes } from '../../../src/core/ingest/route.ts';
import { seededRandom } from '../../../src/simulator/random.ts';

const NOW_MS = 1_767_225_600_000;

describe('what the bench publishes', () => {
  test('no two readings of a run share sensor and time', () => {
    const timeline = new Timeline(NOW_MS);
    const seen = new Set<string>();
    const random = seededRandom(1);
    for (const rows of [10_000, 1000, 999, 1]) {
      for (const { sensorId, timeUs } of readingsOf(rows, timeline.take(rows), random)) {
        seen.add(`${sensorId} ${timeUs}`);
      }
    }
    expect(seen.size).toBe(12_000);
  });

  test('a seed repeats the values', () => {
    const all = (seed: number) =>
      [...messagesOf(300, NOW_MS, seededRandom(seed))].map(({ payload }) => payload);
    expect(all(1)).toEqual(all(1));
    expect(all(1)).not.toEqual(all(2));
  });

  test('the values stay within every limit of config/alerts.yaml', () => {
    for (const { metrics } of readingsOf(2000, NOW_MS, seededRandom(3))) {
      const [temperature, humidity] = [metrics.get('temperature') ?? NaN, metrics.get('humidity') ?? NaN];
      expect(temperature >= 13 && temperature <= 25 && humidity >= 43 && humidity <= 62).toBe(true);
    }
  });

  test('every message decodes, under the configuration that the daemon gets, to one reading', () => {
    const broker = { url: 'mqtt://h', username: 'u', password: 'p', topicRoot: 'x/', version: '' };
    const place = { databaseUrl: 'postgres://u@h/d', broker, clientId: 'c', stateDir: '/tmp/s' };
    const config = daemonConfig(daemonConfigText(place));
    const router = compileRoutes(config.routes, { limits: config.limits, timeWindow: config.time_window });
    const topics = topicsOf(broker.topicRoot);
    for (const { sensor, payload } of messagesOf(2 * SENSORS, NOW_MS, seededRandom(1))) {
      const message = { topic: topics[sensor] ?? '', payload: Buffer.from(payload), retain: false };
      const decoded = router.decode({ ...message, receivedAtMs: NOW_MS });
      expect(decoded).toMatchObject({ kind: 'readings', dropped: 0 });
      expect(decoded.kind === 'readings' && decoded.readings.map(({ metrics }) => metrics.size)).toEqual([3]);
    }
    expect(new Set(topics).size).toBe(SENSORS);
    expect(config.mqtt).toMatchObject({ username: 'u', password: 'p' });
  });
});

test('chunks keep the order, and the last may be shorter', () => {
  expect([...chunked([1, 2, 3, 4, 5], 2)]).toEqual([[1, 2], [3, 4], [5]]);
  expect([...chunked([1, 2], 2)]).toEqual([[1, 2]]);
  expect([...chunked([], 2)]).toEqual([]);
});

describe('the packets of the publisher', () => {
  test('PUBLISH at QoS 1, as in the specification', () => {
    const packet = publishPacket(mqttString('a/b'), 10, 'hi');
    expect([...packet]).toEqual([0x32, 9, 0, 3, 0x61, 0x2f, 0x62, 0, 10, 0x68, 0x69]);
  });

  test.each([
    [0, [0]],
    [127, [127]],
    [128, [0x80, 1]],
    [16_383, [0xff, 0x7f]],
    [268_435_455, [0xff, 0xff, 0xff, 0x7f]],
  ])('a remaining length of %d takes the bytes %j', (length, bytes) => {
    expect([...remainingLength(length)]).toEqual(bytes);
  });
});
