import { afterAll, beforeAll, expect, it } from '@jest/globals';
import mqtt from 'mqtt';
import { type Deployment, openDeployment } from '../support/deployment.ts';
import { eventually } from '../support/eventually.ts';
import { describeWith } from '../support/tools.ts';

const RESTARTS = 3;

describeWith('mosquitto')('retained messages', () => {
  let deployment: Deployment;

  beforeAll(async () => {
    deployment = await openDeployment();
  });
  afterAll(() => deployment?.close());

  const publish = (device: string, reading: object, retain: boolean) =>
    deployment.publish(device, reading, { retain });
  const rowsOf = (device: string) =>
    deployment.count('sensor_readings r JOIN sensors s ON s.id = r.sensor_id WHERE s.key = $1', [device]);

  it(`statement 13: are no new reading at any of ${RESTARTS} restarts`, async () => {
    const ts = Date.now() - 60_000;
    await publish('timeless', { temperature: 20 }, true);
    await publish('timed', { ts, temperature: 21 }, true);
    await publish('accepted', { temperature: 22 }, true);
    const daemon = await deployment.daemon({
      mqtt: { client_id: 'retained' },
      routes: [
        { topic: 'sensors/lab/accepted/readings', codec: 'json', device: 'accepted', retained: 'accept' },
        { topic: 'sensors/{location}/{device}/readings', codec: 'json' },
      ],
    });
    for (let start = 0; start <= RESTARTS; start++) {
      await daemon.launch();
      // What is retained comes with the subscription, so it was here when this one is stored.
      await publish(`live-${start}`, { temperature: 23 }, false);
      await eventually(
        'a live reading without a time is stored',
        async () => (await rowsOf(`live-${start}`)) === 1,
      );
      expect(await rowsOf('timed')).toBe(1);
      expect(await rowsOf('timeless')).toBe(0);
      // Asked for in the configuration: the arrival is its time, each time.
      expect(await rowsOf('accepted')).toBe(start + 1);
      await daemon.end('SIGTERM');
      // Without a session the broker sends what it retains to the next subscription again.
      const clean = await mqtt.connectAsync(deployment.broker.url, { clientId: 'retained', clean: true, protocolVersion: 5 }); // prettier-ignore
      await clean.endAsync();
    }
    expect(await deployment.rows('SELECT * FROM dead_letters')).toEqual([]);
  });
});
