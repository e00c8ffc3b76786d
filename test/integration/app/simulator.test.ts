import { type AddressInfo, type Server, createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Aedes } from 'aedes';
import { createSystemClock } from '../../../src/adapters/system/clock.ts';
import { simulateCommand } from '../../../src/cli/simulate.ts';
import { startSimulator } from '../../../src/simulator/publisher.ts';
import { runCli } from '../../support/cli.ts';

interface Seen {
  readonly topic: string;
  readonly body: Record<string, number>;
}

let broker: Aedes;
let server: Server;
let url: string;
let seen: Seen[] = [];
const clock = createSystemClock();

beforeAll(async () => {
  broker = await Aedes.createBroker();
  broker.on('publish', ({ topic, payload }, client) => {
    if (client !== null) seen.push({ topic, body: JSON.parse(payload.toString()) as Record<string, number> });
  });
  server = createServer((socket) => broker.handle(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(async () => {
  await new Promise<void>((resolve) => broker.close(resolve));
  await new Promise((resolve) => server.close(resolve));
});

describe('startSimulator', () => {
  test('publishes exactly `count` readings, each acknowledged, each of its own', async () => {
    seen = [];
    const simulator = await startSimulator({ url, sensors: 50, rate: 0, seed: 3, count: 500 }, clock);
    const figures = await simulator.done;
    expect(figures).toMatchObject({ published: 500, acknowledged: 500, failed: 0 });
    expect(seen).toHaveLength(500);
    for (const { topic, body } of seen) {
      expect(topic).toMatch(/^sensors\/(greenhouse|warehouse|coldroom)\/\1-\d\d\/readings$/);
      expect(Object.keys(body)).toEqual(['ts', 'temperature', 'humidity', 'pressure', 'battery', 'rssi']);
    }
    expect(new Set(seen.map(({ topic, body }) => `${topic} ${body.ts}`)).size).toBe(500);
  });

  test('keeps the rate and ends in time', async () => {
    const simulator = await startSimulator(
      { url, sensors: 10, rate: 200, seed: 3, durationMs: 1000, silenceEveryMs: 1e15 },
      clock,
    );
    const { published, acknowledged } = await simulator.done;
    expect(acknowledged).toBe(published);
    expect(published).toBeGreaterThan(120);
    expect(published).toBeLessThanOrEqual(210);
  });

  test('stops when asked, twice at once', async () => {
    const simulator = await startSimulator({ url, sensors: 10, rate: 1000, seed: 3 }, clock);
    const [first, second] = await Promise.all([simulator.stop(), simulator.stop()]);
    expect(second).toBe(first);
    expect(await simulator.done).toBe(first);
  });

  test('as a command: prints what was published and acknowledged', async () => {
    const args = ['--url', url, '--count', '20', '--rate', '0', '--sensors', '5', '--seed', '9'];
    const { code, out } = await runCli(simulateCommand, [...args, '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ published: 20, acknowledged: 20, failed: 0 });
    const people = await runCli(simulateCommand, args);
    expect(people.out).toMatch(/^published 20, acknowledged 20 in [\d.]+ s \([\d.]+ messages\/s\)\n$/);
    expect(await runCli(simulateCommand, ['--url', 'http://x'])).toMatchObject({ code: 2 });
  });

  test('says where it could not connect, without the password', async () => {
    const away = startSimulator(
      { url: 'mqtt://someone:secret@127.0.0.1:9', sensors: 1, rate: 1, seed: 1 },
      clock,
    );
    await expect(away).rejects.toMatchObject({ code: 'BROKER_UNREACHABLE' });
    await expect(away).rejects.toThrow(/127\.0\.0\.1:9/);
    await expect(away).rejects.not.toThrow(/secret/);
  });
});
