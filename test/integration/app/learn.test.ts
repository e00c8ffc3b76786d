import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { checkConfigCommand } from '../../../src/cli/check-config.ts';
import { learnCommand } from '../../../src/cli/learn.ts';
import { simulateCommand } from '../../../src/cli/simulate.ts';
import { runCli, startCli } from '../../support/cli.ts';
import { Mosquitto } from '../../support/mosquitto.ts';
import { plainClient } from '../../support/mqtt-source.ts';
import { describeWith } from '../../support/tools.ts';

let dir: string;
let broker: Mosquitto;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'fieldwatch-learn-'));
  broker = await Mosquitto.start();
});
afterEach(async () => {
  await broker.stop();
  await rm(dir, { recursive: true, force: true });
});

describeWith('mosquitto')('fieldwatch learn over a live broker', () => {
  test('the simulator and a Zigbee bridge at the same time, until Ctrl-C', async () => {
    const zigbee = await plainClient(broker.url);
    await zigbee.publishAsync('zigbee2mqtt/bridge/state', '{"state":"online"}', { qos: 1, retain: true });
    const learn = startCli(learnCommand, ['--broker', broker.url, '--seconds', '600']);
    await learn.printed('listening to #', 'stderr');
    await zigbee.publishAsync('zigbee2mqtt/door', '{"temperature":21.5,"linkquality":80}', { qos: 1 });
    const fleet = await runCli(simulateCommand, [
      ...['--url', broker.url, '--sensors', '9', '--rate', '200', '--count', '90'],
    ]);
    expect(fleet.code).toBe(0);
    learn.interrupt();
    const { code, out, err } = await learn.done;
    expect([code, err]).toEqual([0, expect.stringContaining('2 routes, 10 devices')]);
    expect(parse(out)).toMatchObject({
      mqtt: { url: broker.url },
      routes: [{ preset: 'zigbee2mqtt' }, { topic: 'sensors/{location}/{device}/readings', codec: 'json' }],
    });
    expect(out).toMatch(/\d\d messages on 9 topics, \d+ a minute/);
    const file = join(dir, 'fieldwatch.yaml');
    await writeFile(file, out);
    expect((await runCli(checkConfigCommand, ['-c', file])).code).toBe(0);
    await zigbee.endAsync(true);
  });

  test('no messages: reports it and fails', async () => {
    const { code, out, err } = await runCli(learnCommand, ['--broker', broker.url, '--seconds', '0.2']);
    expect([code, out]).toEqual([1, '']);
    expect(err).toContain('no messages received');
  });

  test('--filter leaves the rest out', async () => {
    const client = await plainClient(broker.url);
    const learn = startCli(learnCommand, [
      ...['--broker', broker.url, '--seconds', '2', '--filter', 'a/+/data'],
    ]);
    await learn.printed('listening to a/+/data', 'stderr');
    for (const topic of ['a/1/data', 'b/1/data', 'a/2/data'])
      await client.publishAsync(topic, '{"temperature":1}', { qos: 1 });
    const { out } = await learn.done;
    expect((parse(out) as { routes: unknown }).routes).toEqual([{ topic: 'a/{device}/data', codec: 'json' }]);
    await client.endAsync(true);
  });
});
