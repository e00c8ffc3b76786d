import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import mqtt, { type MqttClient } from 'mqtt';
import { Daemon, fieldwatch } from '../support/daemon.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { describeWith } from '../support/tools.ts';

/** The embedded pair, as `npm start` runs it. */
describe('the daemon on the embedded database and broker', () => {
  let daemon: Daemon;
  let publisher: MqttClient;
  let mqttPort: number;
  let count = 0;

  beforeAll(async () => {
    mqttPort = await freePort();
    daemon = await Daemon.start(`
embedded: { database_port: ${await freePort()}, mqtt_port: ${mqttPort} }
routes: [{ topic: "sensors/{location}/{device}/readings", codec: json }]
http: { port: 0 }
`);
    publisher = await mqtt.connectAsync(`mqtt://127.0.0.1:${mqttPort}`, { reconnectPeriod: 100 });
  });

  afterAll(async () => {
    await publisher?.endAsync(true);
    await daemon?.remove();
  });

  const cli = (...args: string[]) =>
    fieldwatch([...args, '--config', daemon.configFile], { cwd: daemon.dir });
  const publish = async (topic = 'sensors/lab/a1/readings') => {
    count += 1;
    const payload = JSON.stringify({ ts: Date.now() - 60_000 + count, temperature: 20 + (count % 5) });
    await publisher.publishAsync(topic, payload, { qos: 1 });
  };

  it('is queried by two processes at once while it writes', async () => {
    let writing = true;
    const writer = (async () => {
      while (writing) await publish();
    })();
    const rowsOf = async () => {
      const { code, stdout, stderr } = await cli('readings', 'recent', '--limit', '5', '--json');
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      return stdout
        .trim()
        .split('\n')
        .filter((line) => line !== '').length;
    };
    await eventually('rows to read', async () => (await rowsOf()) === 5);
    expect(await Promise.all([rowsOf(), rowsOf()])).toEqual([5, 5]);
    writing = false;
    await writer;
  });

  it('statement 9: is alive, ready, and conserves what it received', async () => {
    await eventually('ready', async () => (await daemon.get('/readyz')).status === 200);
    expect(await daemon.get('/livez')).toMatchObject({ status: 200 });
    const { received } = await daemon.conserved();
    expect(received).toBeGreaterThan(0);
  });

  describeWith('promtool')('its metrics', () => {
    it('are what promtool takes for valid', async () => {
      const { text } = await daemon.get('/metrics');
      const promtool = spawn('promtool', ['check', 'metrics'], { stdio: ['pipe', 'pipe', 'pipe'] });
      let said = '';
      for (const stream of [promtool.stdout, promtool.stderr])
        stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
      promtool.stdin.end(text);
      const [code] = (await once(promtool, 'close')) as [number];
      expect({ code, said }).toEqual({ code: 0, said: '' });
    });
  });

  it('finds its policies as declared', async () => {
    const { code, stdout } = await cli('policies', 'verify', '--json');
    expect({ code, stdout }).toMatchObject({ code: 0 });
  });

  it('statement 20: takes a new route at SIGHUP without dropping the connection, and refuses a faulty file whole', async () => {
    const before = await readFile(daemon.configFile, 'utf8');
    const connects = () => daemon.log.filter(({ msg }) => msg === 'mqtt: connected').length;
    const connected = connects();
    await writeFile(
      daemon.configFile,
      before.replace('codec: json }', 'codec: json }, { topic: "probe/{device}/{metric}", codec: scalar }'),
    );
    daemon.signal('SIGHUP');
    await daemon.logged(({ msg }) => msg === 'configuration reloaded');
    await publisher.publishAsync('probe/p1/temperature', '21.5', { qos: 1 });
    await eventually('the new sensor', async () =>
      (await cli('sensors', 'list', '--json')).stdout.includes('"p1"'),
    );

    await writeFile(daemon.configFile, 'routes: [{ topic: "a/#/b", codec: json }]\nnonsense: 1\n');
    daemon.signal('SIGHUP');
    const refused = await daemon.logged(({ msg }) => msg.startsWith('reload refused'));
    expect(refused).toMatchObject({ err: { message: expect.stringContaining('nonsense') } });
    await writeFile(daemon.configFile, before);
    expect(connects()).toBe(connected);
  });

  it('refuses a second daemon on the same folder, saying why', async () => {
    const result = await fieldwatch(['run', '--config', daemon.configFile], {
      cwd: daemon.dir,
      env: {
        FIELDWATCH_EMBEDDED_DATABASE_PORT: String(await freePort()),
        FIELDWATCH_EMBEDDED_MQTT_PORT: String(await freePort()),
      },
    });
    expect(result.code).not.toBe(0);
    expect(result.stderr).toContain('EMBEDDED_DB_IN_USE');
  });

  it('says which port is taken and how to choose another', async () => {
    const other = await Daemon.prepare(
      `embedded: { database_port: ${await freePort()}, mqtt_port: ${mqttPort} }\nhttp: { enabled: false }\n`,
    );
    const result = await fieldwatch(['run', '--config', other.configFile], { cwd: other.dir });
    await other.remove();
    expect(result.code).toBe(2);
    expect(result.stderr).toContain(`${mqttPort}`);
    expect(result.stderr).toContain('embedded.mqtt_port');
  });

  it('ends in order at SIGTERM, and goes on with the data that is there', async () => {
    const before = daemon.log.length;
    expect(await daemon.end('SIGTERM')).toBe(0);
    // Nothing had to be given up for it.
    expect(daemon.log.slice(before).filter(({ level }) => level === 'error')).toEqual([]);
    await daemon.launch();
    const { code, stdout } = await cli('readings', 'recent', '--limit', '5', '--json');
    expect({ code, rows: stdout.trim().split('\n').length }).toEqual({ code: 0, rows: 5 });
  });
});
