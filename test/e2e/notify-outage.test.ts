import { afterAll, beforeAll, expect, it } from '@jest/globals';
import mqtt from 'mqtt';
import type { Daemon } from '../support/daemon.ts';
import { type Deployment, openDeployment } from '../support/deployment.ts';
import { eventually } from '../support/eventually.ts';
import { HttpServer } from '../support/http-server.ts';
import { describeWith } from '../support/tools.ts';

describeWith('mosquitto')('an alert while the database is away', () => {
  let deployment: Deployment;
  let hook: HttpServer;
  let daemon: Daemon;
  const startMs = Date.now() - 60_000;

  beforeAll(async () => {
    deployment = await openDeployment();
    hook = await HttpServer.start();
    daemon = await deployment.start({
      mqtt: { client_id: 'notify-outage' },
      database: { connect_timeout: '1s' },
      alerts: { metrics: { temperature: { max: 30 } } },
      notify: [
        { name: 'ops', kind: 'webhook', url: hook.url, group_wait: '0s' },
        { name: 'broker', kind: 'mqtt', retain: 'while_firing' },
      ],
      app_metrics: { enabled: false },
      log: { alert_log: 'alerts.log' },
    });
  });

  afterAll(async () => {
    await hook?.stop();
    await deployment?.close();
  });

  const publish = (seconds: number, temperature: number) =>
    deployment.publish('a1', { ts: startMs + seconds * 1000, temperature });
  const statuses = () => (hook.bodies as { status: string }[]).map(({ status }) => status);
  const count = (from: string) => deployment.count(from);

  it('is sent at once, is stored when the database is back, and is not sent again', async () => {
    await publish(0, 20);
    await deployment.stored(1);
    deployment.databaseLink.refuse();
    deployment.databaseLink.cut();
    await publish(10, 35);
    await eventually('the sink has it', () => statuses().length === 1);
    const line = await daemon.logged((each) => each['event'] === 'firing');
    expect(line).toMatchObject({ persisted: false });
    deployment.databaseLink.resume();
    await eventually('the row is there', async () => (await count('sensor_alerts')) === 1);
    await eventually('it is recorded as sent', async () =>
      (await count(`alert_deliveries WHERE outcome = 'sent'`)) === 2 && (await count('alert_outbox WHERE sent_at IS NULL')) === 0,
    ); // prettier-ignore
    await publish(20, 25);
    await eventually('the end is sent', () => statuses().includes('resolved'));
    expect(statuses()).toEqual(['firing', 'resolved']);
    expect((await daemon.alertLog()).map(({ event }) => event)).toEqual(['firing', 'resolved']);
  });

  it('the state at the broker is there while it fires, and gone at the end', async () => {
    const late = await mqtt.connectAsync(deployment.broker.url, { reconnectPeriod: 0 });
    const seen: string[] = [];
    late.on('message', (topic, payload, { retain }) => {
      const text = payload.toString();
      seen.push(`${topic} ${text === '' ? 'gone' : (JSON.parse(text) as { status: string }).status}${retain ? ' (kept)' : ''}`);
    });
    await publish(30, 40);
    await eventually('it fires', () => statuses().filter((status) => status === 'firing').length === 2);
    await eventually('it is kept', async () => {
      await late.subscribeAsync('fieldwatch/alerts/#', { qos: 1 });
      return seen.some((each) => each.endsWith('(kept)'));
    });
    await publish(40, 25);
    await eventually('it is gone', () => seen.at(-1)?.endsWith('gone') === true);
    const topic = 'fieldwatch/alerts/a1/temperature_high';
    // The sinks are notified concurrently: the first state may come live before it is kept.
    const states = new Set(seen.filter((each) => each !== `${topic} firing`));
    expect([...states]).toEqual([`${topic} firing (kept)`, `${topic} resolved`, `${topic} gone`]);
    await late.endAsync();
  }); // prettier-ignore
});
