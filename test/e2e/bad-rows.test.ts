import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type Deployment, openDeployment } from '../support/deployment.ts';
import { eventually } from '../support/eventually.ts';
import { numberedMessage } from '../support/publish.ts';
import { describeWith } from '../support/tools.ts';

const COUNT = 1000;
/** Where the bad one stands among the good ones. */
const BAD_AT = 700;
const HOUR_MS = 3_600_000;

interface Bad {
  readonly name: string;
  readonly topic?: string;
  readonly payload: (timeMs: number) => string | Buffer;
  readonly reason: string;
}

const BAD: readonly Bad[] = [
  {
    name: 'a NUL byte in the name of a device',
    topic: 'gateway/readings',
    payload: (ts) => JSON.stringify({ id: 'd\u00007', ts, temperature: 20 }),
    reason: 'bad_device',
  },
  {
    name: 'a NUL byte in the text',
    payload: (ts) => `{"ts":${ts},"temp\u0000erature":20}`,
    reason: 'parse_error',
  },
  {
    name: 'nothing but values out of the range of their columns',
    payload: (ts) => JSON.stringify({ ts, temperature: 1e300, rssi: 3e9 }),
    reason: 'no_metrics',
  },
  {
    name: 'a time out of range',
    payload: () => JSON.stringify({ ts: Date.UTC(2106, 1, 7), temperature: 20 }),
    reason: 'time_out_of_range',
  },
  {
    name: 'a reading older than it would be kept',
    payload: (ts) => JSON.stringify({ ts: ts - 100 * 24 * HOUR_MS, temperature: 20 }),
    reason: 'older_than_retention',
  },
  {
    name: 'invalid UTF-8',
    payload: (ts) => Buffer.concat([Buffer.from(`{"ts":${ts},"temperature":20,"note":"`), Buffer.from([0xc3, 0x28, 0x22, 0x7d])]), // prettier-ignore
    reason: 'invalid_utf8',
  },
  {
    name: 'a value of the wrong type',
    payload: (ts) => JSON.stringify({ ts, temperature: { celsius: 'warm' } }),
    reason: 'no_metrics',
  },
  {
    name: 'a time of the wrong type',
    payload: () => JSON.stringify({ ts: [2026], temperature: 20 }),
    reason: 'bad_time',
  },
];

describeWith('mosquitto')('one bad message in a batch of a thousand', () => {
  let deployment: Deployment;

  beforeAll(async () => {
    deployment = await openDeployment();
    // The linger and the window are long enough for a thousand messages to be one batch.
    await deployment.start({
      mqtt: { client_id: 'bad-rows', receive_maximum: 4000 },
      routes: [
        { topic: 'sensors/{location}/{device}/readings', codec: 'json', extras: true },
        { topic: 'gateway/readings', codec: 'json', device_path: '/id' },
        { topic: 'scalar/{device}/{metric}', codec: 'scalar', retained: 'accept' },
      ],
      ingest: { batch: { max_rows: COUNT, linger: '10s' } },
    });
  });
  afterAll(() => deployment?.close());

  const send = (topic: string, payload: string | Buffer) =>
    deployment.publisher.publishAsync(topic, payload, { qos: 1 });

  it.each(BAD.map((bad, index) => [bad.name, bad, index] as const))(
    'statement 6: %s costs one row, kept as a dead letter with its reason',
    async (_, { topic, payload, reason }, index) => {
      const baseMs = Date.now() - (index + 2) * HOUR_MS;
      const bad = { topic: topic ?? 'sensors/lab/bad/readings', payload: payload(baseMs + BAD_AT) };
      const sent = Array.from({ length: COUNT }, (__, n) =>
        n === BAD_AT ? bad : numberedMessage(n, baseMs),
      );
      await Promise.all(sent.map((one) => send(one.topic, one.payload)));
      const stored = () => deployment.numbered(baseMs, baseMs + COUNT);
      await eventually('the good ones are stored', async () => (await stored()).ids === COUNT - 1);
      expect(await stored()).toEqual({ rows: COUNT - 1, ids: COUNT - 1 });
      const letters = await deployment.rows('DELETE FROM dead_letters RETURNING topic, payload, reason');
      expect(letters).toEqual([{ topic: bad.topic, payload: Buffer.from(bad.payload), reason }]);
    },
  );

  it('statement 5: of messages without a time of their own each one is a row, however fast they come', async () => {
    const n = 400;
    const json = (value: number) => JSON.stringify({ temperature: value });
    const bursts = [
      { key: 'json', topic: 'sensors/lab/json/readings', payload: json, options: { qos: 1 } },
      { key: 'scalar', topic: 'scalar/scalar/temperature', payload: String, options: { qos: 1 } },
      { key: 'retained', topic: 'scalar/retained/temperature', payload: String, options: { qos: 1, retain: true } }, // prettier-ignore
      { key: 'qos0', topic: 'sensors/lab/qos0/readings', payload: json, options: { qos: 0 } },
    ] as const;
    const values = Array.from({ length: n }, (_, value) => value);
    for (const { topic, payload, options } of bursts)
      await Promise.all(
        values.map((value) => deployment.publisher.publishAsync(topic, payload(value), options)),
      );
    const own = `sensors s JOIN sensor_readings r ON r.sensor_id = s.id WHERE s.key = ANY ($1)`;
    const keys = bursts.map(({ key }) => key);
    const all = () => deployment.count(own, [keys]);
    await eventually('all are stored', async () => (await all()) === n * bursts.length);
    const inOrder = `SELECT array_agg(temperature::int ORDER BY r.time) AS sent FROM ${own} GROUP BY s.key`;
    expect(await deployment.rows(inOrder, [keys])).toEqual(bursts.map(() => ({ sent: values })));
    expect(await deployment.rows('SELECT * FROM dead_letters')).toEqual([]);
  });

  it('statement 27: a reading whose time is taken by another value is a dead letter with both, once', async () => {
    const ts = Date.now() - 30 * HOUR_MS;
    for (const temperature of [20, 21, 21]) await deployment.publish('twice', { ts, temperature });
    await deployment.publish('twice', { ts, humidity: 50 });
    const rows = () =>
      deployment.rows(`SELECT temperature, humidity FROM sensor_readings r JOIN sensors s ON s.id = sensor_id WHERE s.key = 'twice'`); // prettier-ignore
    await eventually('all is written', async () => JSON.stringify(await rows()).includes('"humidity":50')); // prettier-ignore
    expect(await rows()).toEqual([{ temperature: 20, humidity: 50 }]);
    const letters = await deployment.rows<{ detail: string; reason: string; payload: Buffer }>(
      'DELETE FROM dead_letters RETURNING reason, detail, payload',
    );
    const time = new Date(ts).toISOString();
    const detail = `twice at ${time}: temperature is stored as 20, sent as 21`;
    const payload = Buffer.from(JSON.stringify({ ts, temperature: 21 }));
    expect(letters).toEqual([
      { reason: 'conflict', detail, payload },
      { reason: 'conflict', detail, payload },
    ]);
  });

  /** Resolves once a reading that was published after all others is stored. */
  const passed = async (device: string): Promise<void> => {
    const rest = Array.from({ length: COUNT }, (_, n) => ({ ts: Date.now() - n, temperature: 1 }));
    await Promise.all(rest.map((reading) => deployment.publish(device, reading)));
    const own = 'sensors s JOIN sensor_readings r ON r.sensor_id = s.id WHERE s.key = $1';
    await eventually('what came before is stored', async () => (await deployment.count(own, [device])) > 0);
  };

  it('statement 16: a reading of the year 2106, or of 1970, creates no chunk', async () => {
    for (const year of [1970, 2106])
      await deployment.publish('clock', { ts: Date.UTC(year, 1, 7), temperature: 20 });
    await passed('after-2106');
    expect(
      await deployment.rows(`SELECT chunk_name FROM timescaledb_information.chunks
        WHERE range_end > now() + INTERVAL '1 year' OR range_start < now() - INTERVAL '20 years'`),
    ).toEqual([]);
    const letters = await deployment.rows('DELETE FROM dead_letters RETURNING reason');
    expect(letters).toEqual([{ reason: 'time_out_of_range' }, { reason: 'time_out_of_range' }]);
  });

  it('statement 25: a topic segment `x; drop table` is the name of a sensor and nothing else', async () => {
    const tables = () => deployment.rows(`SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1`); // prettier-ignore
    const before = await tables();
    const evil = ['x; drop table sensors', `x"; DROP TABLE sensor_readings; --`, `'; DROP TABLE metrics; --`];
    for (const segment of evil) {
      const payload = JSON.stringify({ ts: Date.now(), temperature: 20, [segment]: 1 });
      await send(`sensors/${segment}/${segment}/readings`, payload);
    }
    await passed('after-drop');
    expect(await tables()).toEqual(before);
    const sensors = await deployment.rows<{ key: string; location: string }>(
      `SELECT key, location FROM sensors WHERE key ~* 'drop table'`,
    );
    expect(sensors.map(({ key }) => key).sort()).toEqual([...evil].sort());
    expect(sensors.every(({ key, location }) => key === location)).toBe(true);
    const names = await deployment.rows<{ name: string }>(
      `SELECT name FROM metrics WHERE name ~* 'drop table'`,
    );
    expect(names.map(({ name }) => name).sort()).toEqual([...evil].sort());
  });
});
