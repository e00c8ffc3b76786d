import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { captureCommand } from '../../../src/cli/capture/index.ts';
import { decodeCommand } from '../../../src/cli/decode/index.ts';
import { startEmbeddedBroker } from '../../../src/embedded/broker.ts';
import { runCli, startCli } from '../../support/cli.ts';
import { Mosquitto } from '../../support/mosquitto.ts';
import { plainClient } from '../../support/mqtt-source.ts';
import { describeWith } from '../../support/tools.ts';

let dir: string;
let file: string;
const closers: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'fieldwatch-capture-'));
  file = join(dir, 'capture.jsonl');
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  await rm(dir, { recursive: true, force: true });
});

async function broker(options: Parameters<typeof Mosquitto.start>[0] = {}): Promise<Mosquitto> {
  const started = await Mosquitto.start(options);
  closers.push(() => started.stop());
  return started;
}

async function client(url: string, options: Parameters<typeof plainClient>[1] = {}) {
  const opened = await plainClient(url, options);
  closers.push(() => opened.endAsync(true));
  return opened;
}

const captured = async () =>
  (await readFile(file, 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

describeWith('mosquitto')('fieldwatch capture', () => {
  test('text, bytes, retained and content type; what it writes decodes', async () => {
    const { url } = await broker();
    const publisher = await client(url);
    await publisher.publishAsync('sensors/lab/n0/readings', '{"temperature":20}', { qos: 1, retain: true });
    const run = startCli(captureCommand, [
      ...['--broker', url, '--filter', 'sensors/#', '--filter', 'bin/+', '--messages', '4', '--out', file],
    ]);
    await run.printed('listening to sensors/# bin/+', 'stderr');
    await publisher.publishAsync('sensors/lab/n1/readings', '\ufeff{"temperature":21.5,"n":"ü"}', { qos: 0 });
    await publisher.publishAsync('elsewhere', '1', { qos: 1 });
    await publisher.publishAsync('bin/n2', Buffer.from('~', 'utf8'), { qos: 1 });
    await publisher.publishAsync('bin/n2', Buffer.from('a16161fb4035800000000000', 'hex'), {
      qos: 1,
      properties: { contentType: 'application/cbor' },
    });
    const { code, out, err } = await run.done;
    expect({ code, out }).toEqual({ code: 0, out: '' });
    expect(err).toContain('captured 4 messages');
    const lines = await captured();
    const time = expect.stringMatching(/^\d{4}-.*Z$/);
    expect(lines).toEqual([
      {
        topic: 'sensors/lab/n0/readings',
        payload: '{"temperature":20}',
        retain: true,
        received_at: time,
      },
      {
        topic: 'sensors/lab/n1/readings',
        payload: '\ufeff{"temperature":21.5,"n":"ü"}',
        retain: false,
        received_at: time,
      },
      { topic: 'bin/n2', payload: '~', retain: false, received_at: time },
      {
        topic: 'bin/n2',
        payload_hex: 'a16161fb4035800000000000',
        retain: false,
        received_at: time,
        content_type: 'application/cbor',
      },
    ]);
    const decoded = await runCli(decodeCommand, ['--replay', file]);
    expect(decoded.out.trim().split('\n').slice(0, 2)).toEqual([
      '{"reject":"retained_no_time"}',
      expect.stringContaining('"device":"n1"'),
    ]);
  });

  test('Ctrl-C ends it in order, with all received messages in the file', async () => {
    const { url } = await broker();
    const publisher = await client(url);
    const run = startCli(captureCommand, ['--broker', url, '--out', file]);
    await run.printed('until Ctrl-C', 'stderr');
    await Promise.all(
      Array.from({ length: 300 }, (_, n) => publisher.publishAsync('t', String(n), { qos: 1 })),
    );
    while ((await readFile(file, 'utf8')).split('\n').length <= 300) await new Promise(setImmediate);
    run.interrupt();
    const { code, err } = await run.done;
    expect(code).toBe(0);
    expect(err).toContain('captured 300 messages');
    expect((await captured()).map(({ payload }) => payload)).toEqual(
      Array.from({ length: 300 }, (_, n) => String(n)),
    );
  });

  test('nothing is left at the broker, and the daemon of the same client id is not thrown out', async () => {
    const server = await broker();
    const run = startCli(captureCommand, ['--broker', server.url, '--seconds', '0.2']);
    expect((await run.done).code).toBe(0);
    const [, id] = /as (\S*-listen-[0-9a-f]{8}) \(p5, c1,/.exec(server.log) ?? [];
    expect(id).toMatch(/-listen-/);
    await server.logged(/Client \S*-listen-[0-9a-f]{8} disconnected/);
  });

  describeWith('mosquitto_passwd')('with a password', () => {
    test('user and password from the environment or a file; wrong ones are reported, and exit with a failure', async () => {
      const { url } = await broker({ users: { meter: 'right' } });
      const args = ['--broker', url, '--username', 'meter', '--seconds', '0.1'];
      const env = { FIELDWATCH_MQTT_PASSWORD: 'right' };
      expect((await runCli(captureCommand, args, { env })).code).toBe(0);
      const wrong = runCli(captureCommand, args, { env: { FIELDWATCH_MQTT_PASSWORD: 'wrong' } });
      await expect(wrong).rejects.toMatchObject({
        code: 'BROKER_UNREACHABLE',
        message: expect.stringMatching(/Not authorized|Bad username/i),
        remedy: expect.stringMatching(/user name and password/),
      });
    });
  });

  test('a connection that breaks is taken up again', async () => {
    const server = await broker();
    const run = startCli(captureCommand, ['--broker', server.url, '--messages', '1', '--out', file]);
    await run.printed('listening', 'stderr');
    await server.kill();
    await run.printed('connection lost', 'stderr');
    await server.launch();
    await run.printed('connected again', 'stderr');
    const publisher = await client(server.url);
    // Subscribed again a moment after the connection: until then nothing is received.
    const again = setInterval(() => void publisher.publishAsync('t', 'late', { qos: 1 }).catch(() => {}), 50);
    await run.done.finally(() => clearInterval(again));
    expect(await captured()).toMatchObject([{ payload: 'late' }]);
  });
});

describe('fieldwatch capture without mosquitto', () => {
  test('a broker that refuses MQTT 5 gets a connection with 3.1.1', async () => {
    const embedded = await startEmbeddedBroker({ host: '127.0.0.1', port: 0 });
    closers.push(() => embedded.stop());
    const publisher = await client(embedded.url, { protocolVersion: 4 });
    const run = startCli(captureCommand, ['--broker', embedded.url, '--messages', '1', '--out', file]);
    await run.printed('listening', 'stderr');
    await publisher.publishAsync('t', '21.5', { qos: 1 });
    expect((await run.done).code).toBe(0);
    expect(await captured()).toMatchObject([{ topic: 't', payload: '21.5', retain: false }]);
  });

  test.each([
    ['an invalid filter', ['--broker', 'mqtt://127.0.0.1', '--filter', 'a/#/b']],
    ['an invalid address', ['--broker', 'http://127.0.0.1']],
    ['no time at all', ['--broker', 'mqtt://127.0.0.1', '--seconds', '0']],
  ])('%s is a usage error', async (_, args) => {
    expect((await runCli(captureCommand, args)).code).toBe(2);
  });

  test('no broker at the address', async () => {
    await expect(
      runCli(captureCommand, ['--broker', 'mqtt://127.0.0.1:1', '--seconds', '1']),
    ).rejects.toMatchObject({ code: 'BROKER_UNREACHABLE' });
  });

  test('a file that cannot be written', async () => {
    const args = ['--broker', 'mqtt://127.0.0.1:1', '--out', join(dir, 'no', 'such')];
    await expect(runCli(captureCommand, args)).rejects.toMatchObject({ code: 'CAPTURE_UNWRITABLE' });
  });
});
