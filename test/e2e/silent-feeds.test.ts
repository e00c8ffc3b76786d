import { afterAll, beforeAll, expect, it } from '@jest/globals';
import mqtt, { type MqttClient } from 'mqtt';
import { openDeployment, type Deployment } from '../support/deployment.ts';
import { eventually } from '../support/eventually.ts';
import { describeWith } from '../support/tools.ts';

describeWith('mosquitto')('a route with silent_after', () => {
  let deployment: Deployment;
  let publisher: MqttClient;
  beforeAll(async () => {
    deployment = await openDeployment();
    publisher = await mqtt.connectAsync(deployment.broker.url, { protocolVersion: 5 });
  });
  afterAll(async () => {
    await publisher?.endAsync();
    await deployment?.close();
  });

  it('statement 11: degrades health and raises a metric when it stops delivering, until the next message', async () => {
    const daemon = await deployment.daemon(`
mqtt: { url: "${deployment.broker.url}", client_id: silent-feeds }
database: { url: "${deployment.database.url}" }
routes:
  - { topic: "sensors/{device}", codec: json, silent_after: 2s }
  - { topic: "other/{device}", codec: json, silent_after: 2s }
scheduler: { enabled: false }
http: { port: 0 }
`);
    await daemon.launch();
    const port = String(daemon.log.find(({ msg }) => msg === 'ready')?.['http_port']);
    const get = async (path: string) => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`);
      return { status: response.status, text: await response.text() };
    };
    const publish = () =>
      publisher.publishAsync('sensors/a', JSON.stringify({ temperature: 20 }), { qos: 1 });
    await publish();
    const line = await daemon.logged(({ msg }) => msg.startsWith('a route that used to deliver is silent'));
    expect(line).toMatchObject({ level: 'warn', route: 'sensors/{device}' });
    // Told, and no reason to take the daemon out of service.
    const ready = await get('/readyz');
    expect([ready.status, ready.text]).toEqual([
      200,
      expect.stringContaining('silent: sensors/{device} since 20'),
    ]);
    const metrics = await get('/metrics');
    expect(metrics.text).toContain('fieldwatch_route_silent{route="sensors/{device}"} 1');
    expect(metrics.text).toContain('fieldwatch_route_silent{route="other/{device}"} 0');
    const from = daemon.log.length;
    await publish();
    await daemon.logged(({ msg }) => msg === 'a silent route delivers again', from);
    await eventually('healthy again', async () => !(await get('/readyz')).text.includes('silent'));
  });
});
