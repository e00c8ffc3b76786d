import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type Daemon, fieldwatch } from '../support/daemon.ts';
import { type Deployment, openDeployment } from '../support/deployment.ts';
import { eventually } from '../support/eventually.ts';
import { describeWith } from '../support/tools.ts';

const ALERTS = {
  defaults: { hysteresis: 0.5 },
  flap: { changes: 6, window: '10m', hold: '5m' },
  metrics: {
    temperature: { min: 16, max: 26, for: '1m', levels: [{ severity: 'critical', max: 27.5 }] },
    pressure: { max: 1010, for: '2m', for_mode: 'held', keep_firing_for: '1m' },
    co2: { max_rise: 150, max_fall: 200, anomaly: { z: 2.5, window: 8 } },
    humidity: { no_data_after: '2s' },
  },
};
const SENSORS = ['r1', 'r2', 'r3'];
const READINGS = 100;

interface Sent {
  readonly sensor: string;
  readonly timeMs: number;
  readonly metrics: Readonly<Record<string, number>>;
}

/** Random walks with steps, spikes and gaps; always the same. */
function timeline(startMs: number): Sent[] {
  let state = 7;
  const random = () => (state = (state * 1_103_515_245 + 12_345) % 2_147_483_648) / 2_147_483_648;
  const walk = new Map(SENSORS.map((sensor) => [sensor, { temperature: 22, pressure: 1008, co2: 500 }]));
  let timeMs = startMs;
  return Array.from({ length: READINGS * SENSORS.length }, (_, index): Sent => {
    const sensor = SENSORS[index % SENSORS.length] ?? 'r1';
    timeMs += random() < 0.02 ? 700_000 : 5_000 + Math.floor(random() * 15_000);
    const at = walk.get(sensor) ?? { temperature: 22, pressure: 1008, co2: 500 };
    at.temperature += (random() - 0.5) * 6 + (23 - at.temperature) * 0.06;
    at.pressure += (random() - 0.5) * 4 + (1009 - at.pressure) * 0.1;
    at.co2 = random() < 0.06 ? 500 + random() * 900 : 480 + random() * 60;
    const round = (value: number) => Math.round(value * 100) / 100;
    const { temperature, pressure, co2 } = at;
    return {
      sensor,
      timeMs,
      metrics: { temperature: round(temperature), pressure: round(pressure), co2: round(co2) },
    };
  });
}

type Row = Readonly<Record<string, unknown>>;

/** Rows of one episode as one, in words that all three ways have; times in milliseconds. */
function episodesOf(rows: readonly Row[], ms: (time: unknown) => number | null): Row[] {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const key = String(row['alert_id']);
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  return sorted(
    [...groups.values()].map((group) => {
      const all = group.toSorted((a, b) => (ms(a['time']) ?? 0) - (ms(b['time']) ?? 0));
      const [first, last] = [all[0], all.at(-1)];
      return {
        ...pick(first ?? {}, ms),
        severity: last?.['severity'],
        rows: all.length,
      };
    }),
  );
}

function pick(row: Row, ms: (time: unknown) => number | null): Row {
  return {
    sensor: row['sensor'],
    type: row['alert_type'],
    time: ms(row['time']),
    started: ms(row['started_at']),
    value: row['value'],
    threshold: row['threshold'],
    severity: row['severity'],
    resolved: ms(row['resolved_at']),
    resolvedValue: row['resolved_value'],
    reason: row['resolve_reason'],
    peak: row['peak_value'],
    flapping: row['flapping'],
    rows: row['rows'],
  };
}

const sorted = (episodes: readonly Row[]): Row[] =>
  episodes.toSorted((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b)));

const parsed = (out: string, kind: string): Row[] =>
  out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Row)
    .filter((line) => line['kind'] === kind);

describeWith('mosquitto')('the same readings', () => {
  let deployment: Deployment;
  let daemon: Daemon;
  const startMs = Math.floor(Date.now() / 1000) * 1000 - 5 * 3_600_000;
  const sent = timeline(startMs);
  let live: Row[] = [];

  beforeAll(async () => {
    deployment = await openDeployment();
    daemon = await deployment.start({ mqtt: { client_id: 'identical-test' }, alerts: ALERTS });
  });
  afterAll(() => deployment?.close());

  const publish = (sensor: string, payload: object) => deployment.publish(sensor, payload);
  const publishAll = async (all: readonly Sent[]) => {
    for (const [index, { sensor, timeMs, metrics }] of all.entries()) {
      await publish(sensor, { ts: timeMs, ...metrics });
      // A gateway that repeats itself.
      if (index % 17 === 0) await publish(sensor, { ts: timeMs, ...metrics });
    }
  };

  it('go through broker and database, with a crash in between and a sensor that falls silent', async () => {
    const half = Math.floor(sent.length / 2);
    await publishAll(sent.slice(0, half));
    await deployment.stored(half);
    await daemon.end('SIGKILL');
    // Some of them wait with the broker.
    await publishAll(sent.slice(half, half + 40));
    await daemon.launch();
    await publishAll(sent.slice(half + 40));
    await deployment.stored(sent.length);
    const silent = (resolved: string) =>
      eventually('no data', async () => {
        const where = `alert_type = 'humidity_no_data' AND resolved_at IS ${resolved}`;
        return (await deployment.count(`sensor_alerts WHERE ${where}`)) === 1;
      });
    await publish('r4', { humidity: 50 });
    await silent('NULL');
    await publish('r4', { humidity: 51 });
    await silent('NOT NULL');
    expect(await daemon.end('SIGTERM')).toBe(0);
    const rows = await deployment.rows<Row>(
      'SELECT s.key AS sensor, a.* FROM sensor_alerts a JOIN sensors s ON s.id = a.sensor_id',
    );
    live = episodesOf(rows, (time) => (time instanceof Date ? time.getTime() : null));
    // The timeline is worth something: every kind, both sides, escalations, flapping, open ones.
    const types = new Set(live.map(({ type }) => type));
    expect([...types].sort()).toEqual([
      'co2_anomaly',
      'co2_rate_high',
      'co2_rate_low',
      'humidity_no_data',
      'pressure_high',
      'temperature_high',
      'temperature_low',
    ]);
    expect(live.some(({ rows }) => rows === 2)).toBe(true);
    expect(live.length).toBeGreaterThan(20);
  });

  it('give the same episodes by `rules test`', async () => {
    const iso = (ms: number) => new Date(ms).toISOString();
    const humidities = await deployment.rows<{ time: Date; humidity: number }>(
      'SELECT time, humidity FROM sensor_readings WHERE humidity IS NOT NULL ORDER BY time',
    );
    const timeline = [
      ...sent.map(({ sensor, timeMs, metrics }) => ({ at: iso(timeMs), sensor, metrics })),
      ...humidities.map(({ time, humidity }) => ({
        at: time.toISOString(),
        sensor: 'r4',
        metrics: { humidity },
      })),
    ];
    const scenario = { alerts: ALERTS, start: iso(startMs), timeline };
    const file = join(daemon.dir, 'scenario.yaml');
    await writeFile(file, JSON.stringify(scenario));
    const { code, stdout } = await fieldwatch(['rules', 'test', '--json', file]);
    expect(code).toBe(0);
    const ms = (time: unknown) => (typeof time === 'number' ? Math.round(startMs + time * 1000) : null);
    expect(episodesOf(parsed(stdout, 'row'), ms)).toEqual(live);
  });

  it('give the same episodes by `rules backtest`', async () => {
    const [row] = await deployment.rows<{ last: Date }>('SELECT max(time) AS last FROM sensor_readings');
    const range = ['--since', new Date(startMs).toISOString(), '--until', new Date((row?.last.getTime() ?? 0) + 1).toISOString()]; // prettier-ignore
    const args = ['rules', 'backtest', '--json', ...range, '-c', daemon.configFile];
    const { code, stdout, stderr } = await fieldwatch(args);
    expect([code, stderr]).toEqual([0, '']);
    const ms = (time: unknown) => (typeof time === 'string' ? Date.parse(time) : null);
    expect(sorted(parsed(stdout, 'episode').map((row) => pick(row, ms)))).toEqual(live);
  });
});
