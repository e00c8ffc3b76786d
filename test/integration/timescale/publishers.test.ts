import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import pg from 'pg';
import { Daemon } from '../../support/daemon.ts';
import { type TestDatabase, openTestDatabase } from '../../support/embedded-db.ts';
import { eventually } from '../../support/eventually.ts';
import { Mosquitto } from '../../support/mosquitto.ts';
import { plainClient } from '../../support/mqtt-source.ts';
import { describeWith } from '../../support/tools.ts';

// Programs that people run, or what was recorded of them, a real broker, the whole daemon, and what is in the database in the end.

const run = promisify(execFile);
const support = (name: string) => fileURLToPath(new URL(`../../support/${name}`, import.meta.url));

const EXPOSES = JSON.parse(
  readFileSync(new URL('../../fixtures/zigbee-exposes.json', import.meta.url), 'utf8'),
) as { models: { model: string; metrics: { property: string; unit?: string }[] }[] };

let database: TestDatabase;
let broker: Mosquitto;
let db: pg.Client;
let daemon: Daemon;

const hasBroker = describeWith('mosquitto');

async function start(): Promise<void> {
  database = await openTestDatabase({ migrated: true });
  broker = await Mosquitto.start();
  db = new pg.Client({ connectionString: database.url });
  await db.connect();
  daemon = await Daemon.start(`
mqtt: { url: "${broker.url}", client_id: publishers-test }
database: { url: "${database.url}" }
routes:
  - { preset: rtl_433, timezone: UTC }
  - { preset: sparkplug-b, request_rebirth: true }
  - preset: zigbee2mqtt
scheduler: { enabled: false }
http: { enabled: false }
`);
}

async function stop(): Promise<void> {
  await daemon?.remove();
  await db?.end();
  await broker?.stop();
  await database?.close();
}

/** All that is stored of a device: the metrics of its newest reading, core and others. */
async function latest(key: string): Promise<Record<string, number>> {
  const { rows: core } = await db.query<Record<string, number | null>>(
    `SELECT temperature, humidity, pressure, battery, rssi FROM sensor_readings r JOIN sensors s ON s.id = r.sensor_id
      WHERE s.key = $1 ORDER BY time DESC LIMIT 1`,
    [key],
  );
  const { rows: others } = await db.query<{ name: string; value: number }>(
    `SELECT DISTINCT ON (m.name) m.name, v.value FROM sensor_metrics v
       JOIN metrics m ON m.id = v.metric_id JOIN sensors s ON s.id = v.sensor_id
      WHERE s.key = $1 ORDER BY m.name, v.time DESC`,
    [key],
  );
  const known = Object.entries(core[0] ?? {}).filter((entry): entry is [string, number] => entry[1] !== null);
  return Object.fromEntries([...known, ...others.map(({ name, value }) => [name, value] as const)]);
}

const deadLetters = async (): Promise<string[]> => {
  const { rows } = await db.query<{ reason: string }>('SELECT reason FROM dead_letters ORDER BY id');
  return rows.map(({ reason }) => reason);
};

async function stored(key: string, wanted: Record<string, number>): Promise<void> {
  let found: Record<string, number> = {};
  const same = () =>
    Object.keys(wanted).length === Object.keys(found).length &&
    Object.entries(wanted).every(([name, value]) => Math.abs((found[name] ?? NaN) - value) <= 1e-6);
  await eventually(`${key} is stored`, async () => {
    found = await latest(key);
    return same() || Object.keys(found).length >= Object.keys(wanted).length;
  });
  expect(found).toEqual(
    Object.fromEntries(Object.entries(wanted).map(([name, value]) => [name, expect.closeTo(value, 6)])),
  );
}

hasBroker('real publishers', () => {
  // The database is made on first use, on a machine that is busy with other tests.
  beforeAll(start, 180_000);
  afterAll(stop);
  const nodes: ChildProcess[] = [];
  afterEach(() => nodes.splice(0).forEach((node) => node.kill('SIGKILL')));

  describeWith('rtl_433')('rtl_433', () => {
    // Nexus by its frame's layout; Bresser and Cotech are the examples in rtl_433's own decoders.
    const row = '{36}2a90cdf53';
    const rows: readonly (readonly [string, string, string, Record<string, number>])[] = [
      [
        'Nexus-TH',
        [row, row, row, row].join('/'),
        'Nexus-TH/2/42',
        { temperature: 20.5, humidity: 83, battery: 100 },
      ],
      [
        'Bresser 5-in-1, below zero, with an empty battery',
        '{280}aaaaaaaaaa2dd4eda1ffff1fffef8fffd6dfff77125e0000e000107000292000880000',
        'Bresser-5in1/94',
        {
          temperature: -7,
          humidity: 29,
          battery: 0,
          rain_mm: 2,
          wind_avg_m_s: 0,
          wind_dir_deg: 315,
          wind_max_m_s: 0,
        },
      ],
      [
        'Cotech 36-7959, in Fahrenheit, with the level of the signal',
        '{124}014c6880000e80000846d20fffbfb39',
        'Cotech-367959/104',
        {
          temperature: ((73.3 - 32) * 5) / 9,
          humidity: 32,
          battery: 0,
          rain_mm: 0,
          wind_avg_m_s: 0,
          wind_dir_deg: 232,
          wind_max_m_s: 0,
          light_lux: 69_627,
          uv: 251,
          freq: 0,
          rssi_db: 0,
          snr: 0,
          noise: 0,
        },
      ],
    ];

    test.each(rows)('%s', async (_, code, device, wanted) => {
      const level = 'freq' in wanted ? ['-M', 'level'] : [];
      const env = { ...process.env, TZ: 'UTC' };
      const { stdout } = await run('rtl_433', ['-c', '/dev/null', ...level, '-F', 'json', '-y', code], {
        env,
      });
      const events = stdout.trim().split('\n');
      expect(events.length).toBeGreaterThan(0);
      const publisher = await plainClient(broker.url);
      // It ends before its own MQTT output has connected when it decodes a code, so its lines are handed on.
      for (const event of events) await publisher.publishAsync('rtl_433/lab/events', event, { qos: 1 });
      await publisher.endAsync();
      await stored(device, wanted);
    });
  });

  /** Starts the edge node; resolves the lines that it says, one `said` at a time. */
  function edgeNode(): { send(temperature: number): void; said(what: string): Promise<void> } {
    const node = spawn(process.execPath, [support('sparkplug-node.js'), broker.url], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    nodes.push(node);
    const printed: string[] = [];
    const lines = createInterface({ input: node.stdout });
    lines.on('line', (line) => printed.push(line));
    return {
      send: (temperature) => void node.stdin.write(`${temperature}\n`),
      said: async (what) => {
        while (!printed.includes(what)) await once(lines, 'line');
        printed.splice(printed.indexOf(what), 1);
      },
    };
  }

  test('payloads of sparkplug-client: births, data by alias, and births asked for after a restart', async () => {
    const node = edgeNode();
    await node.said('births');
    await stored('Plant1/Edge1', { 'Supply Voltage': 12.1 });
    await stored('Plant1/Edge1/Press', { temperature: 61.5, Cycles: -30 });
    node.send(62.25);
    await node.said('data 62.25');
    await eventually(
      'data by alias',
      async () => (await latest('Plant1/Edge1/Press'))['temperature'] === 62.25,
    );
    expect(await latest('Plant1/Edge1/Press')).toEqual({ temperature: 62.25, Cycles: -29 });

    const before = daemon.log.length;
    await appendFile(daemon.configFile, 'limits: { max_depth: 16 }\n');
    daemon.signal('SIGHUP');
    await daemon.logged(({ msg }) => msg === 'configuration reloaded', before);
    node.send(62.5);
    await eventually(
      'data by alias after a reload',
      async () => (await latest('Plant1/Edge1/Press'))['temperature'] === 62.5,
    );
    expect(await deadLetters()).toEqual([]);

    await daemon.end();
    await daemon.launch();
    // The births were received by a process that is gone: the first message cannot be read, and asks for them.
    node.send(63);
    await node.said('asked for births');
    await node.said('births');
    node.send(64.5);
    await eventually(
      'data after the births',
      async () => (await latest('Plant1/Edge1/Press'))['temperature'] === 64.5,
    );
    expect((await deadLetters()).filter((reason) => reason === 'unknown_alias')).toHaveLength(1);
  });

  test('exposes of zigbee-herdsman-converters: every numeric metric of ten models, in its unit', async () => {
    const exposed = EXPOSES.models;
    expect(exposed).toHaveLength(10);
    const publisher = await plainClient(broker.url);
    for (const { model, metrics } of exposed) {
      expect(metrics.length).toBeGreaterThan(0);
      const sent = Object.fromEntries(
        metrics.map(({ property, unit }, at) => [property, sample(property, unit, at)]),
      );
      const payload = JSON.stringify({
        ...sent,
        linkquality: 120,
        update: { installed_version: 16_782_594 },
      });
      await publisher.publishAsync(`zigbee2mqtt/${model}`, payload, { qos: 1 });
      const wanted = metrics.map(({ property, unit }) => [
        property,
        canonical(property, unit, sent[property] ?? NaN),
      ]);
      await stored(model, { ...Object.fromEntries(wanted), linkquality: 120 });
    }
    await publisher.endAsync();
    // All that is needed is there: the core metrics, and units that are not canonical.
    const units = exposed.flatMap(({ metrics }) =>
      metrics.map(({ property, unit }) => `${property} ${unit}`),
    );
    for (const one of [
      'temperature °C',
      'humidity %',
      'pressure hPa',
      'pressure kPa',
      'battery %',
      'voltage mV',
    ])
      expect(units).toContain(one);
  });
});

/** A value that is believable in the unit that the model states. */
function sample(property: string, unit: string | undefined, at: number): number {
  if (property === 'pressure') return unit === 'kPa' ? 98.86 : 988.6;
  return { '°C': 21.5, '%': 45, mV: 2995, V: 230.5, ppm: 612 }[unit ?? ''] ?? 10 + at;
}

/** What is to be stored: the core metrics in their canonical units, the others as they are sent. */
function canonical(property: string, unit: string | undefined, value: number): number {
  const core: Record<string, string> = { temperature: '°C', humidity: '%', pressure: 'hPa', battery: '%' };
  if (core[property] === undefined || core[property] === unit) return value;
  if (property === 'pressure' && unit === 'kPa') return value * 10;
  throw new Error(`${property} in ${unit}: which value is right?`);
}
