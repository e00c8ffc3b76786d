import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type Deployment, openDeployment } from '../support/deployment.ts';
import { eventually } from '../support/eventually.ts';
import { describeWith } from '../support/tools.ts';

describeWith('mosquitto')('a route with silent_after', () => {
  let deployment: Deployment;
  beforeAll(async () => {
    deployment = await openDeployment();
  });
  afterAll(() => deployment?.close());

  it('statement 11: degrades health and raises a metric when it stops delivering, until the next message', async () => {
    const daemon = await deployment.start({
      mqtt: { client_id: 'stale-routes' },
      routes: ['sensors/{device}', 'other/{device}'].map((topic) => ({
        topic,
        codec: 'json',
        silent_after: '2s',
      })),
      http: { port: 0 },
    });
    const publish = () => deployment.publisher.publishAsync('sensors/a', '{"temperature": 20}', { qos: 1 });
    await publish();
    const line = await daemon.logged(({ msg }) => msg.startsWith('route is stale'));
    expect(line).toMatchObject({ level: 'warn', route: 'sensors/{device}' });
    // Reported, and no reason to take the daemon out of service.
    const ready = await daemon.get('/readyz');
    expect([ready.status, ready.text]).toEqual([
      200,
      expect.stringContaining('silent: sensors/{device} since 20'),
    ]);
    const metrics = await daemon.get('/metrics');
    expect(metrics.text).toContain('fieldwatch_route_silent{route="sensors/{device}"} 1');
    expect(metrics.text).toContain('fieldwatch_route_silent{route="other/{device}"} 0');
    const from = daemon.log.length;
    await publish();
    await daemon.logged(({ msg }) => msg === 'stale route receives messages again', from);
    await eventually('healthy again', async () => !(await daemon.get('/readyz')).text.includes('silent'));
  });
});
