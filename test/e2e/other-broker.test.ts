import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import mqtt from 'mqtt';
import { type Deployment, openDeployment } from '../support/deployment.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { publishNumbered } from '../support/publish.ts';
import { isNightly } from '../support/rounds.ts';
import { describeWith } from '../support/tools.ts';

const HOUR_MS = 3_600_000;
const MESSAGES = 3000;

/** `go install github.com/mochi-mqtt/server/v2/cmd@v2.7.9` makes a program that is called `cmd`: rename it. */
const describeNightly = isNightly
  ? describeWith('mochi-mqtt')
  : (name: string, suite: () => void) => describe.skip(`${name} (nightly)`, suite);

describeNightly('shared subscriptions of a broker that is not mosquitto (mochi-mqtt)', () => {
  let deployment: Deployment;
  let broker: ChildProcess;
  let url: string;
  beforeAll(async () => {
    deployment = await openDeployment();
    const [port, websocket, info] = [await freePort(), await freePort(), await freePort()];
    const addresses = { tcp: port, ws: websocket, info };
    const flags = Object.entries(addresses).map(([name, number]) => `-${name}=127.0.0.1:${number}`);
    broker = spawn('mochi-mqtt', flags, { stdio: 'ignore' });
    await once(broker, 'spawn');
    url = `mqtt://127.0.0.1:${port}`;
    const answers = () => mqtt.connectAsync(url, {}, false).then((client) => client.endAsync());
    await eventually('the broker answers', () =>
      answers().then(
        () => true,
        () => false,
      ),
    );
  });
  afterAll(async () => {
    await deployment?.close();
    broker?.kill();
  });

  const member = (clientId: string) =>
    deployment.start(`
mqtt: { url: "${url}", client_id: ${clientId}, share_group: crew }
database: { url: "${deployment.database.url}", migrate_at_start: false }
routes: [{ topic: "sensors/{location}/{device}/readings", codec: json, extras: true }]
alerts: { metrics: { temperature: { max: 58 } } }
scheduler: { enabled: false }
http: { enabled: false }`);

  it('two members share the messages; one is killed and comes back: every reading is one row, every breach one alert', async () => {
    const [one, two] = [await member('member-1'), await member('member-2')];
    const baseMs = Date.now() - HOUR_MS;
    const stored = () => deployment.numbered(baseMs, baseMs + MESSAGES);
    const publishing = publishNumbered(url, 0, MESSAGES, baseMs);
    await eventually('some are stored', async () => (await stored()).ids > 100);
    one.signal('SIGKILL');
    await one.ended();
    await one.launch();
    await publishing;
    await eventually('every message is stored', async () => (await stored()).ids >= MESSAGES);
    expect(await stored()).toEqual({ rows: MESSAGES, ids: MESSAGES });
    const breaching = new Set(
      Array.from({ length: MESSAGES }, (_, n) => n)
        .filter((n) => n % 60 > 58)
        .map((n) => n % 50),
    );
    const alerts = async () =>
      (
        await deployment.rows<{ sensors: number; doubled: number }>(`
        SELECT count(DISTINCT sensor_id)::int AS sensors, (count(*) - count(DISTINCT (sensor_id, started_at)))::int AS doubled
          FROM sensor_alerts`)
      )[0];
    await eventually('every breach has its alert', async () => (await alerts())?.sensors === breaching.size);
    expect(await alerts()).toEqual({ sensors: breaching.size, doubled: 0 });
    await Promise.all([one.end(), two.end()]);
  }, 300_000);
});
