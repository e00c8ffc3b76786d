import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Daemon, LogLine } from '../support/daemon.ts';
import { type Deployment, openDeployment } from '../support/deployment.ts';
import { eventually } from '../support/eventually.ts';
import { describeWith } from '../support/tools.ts';

describeWith('mosquitto')('a breach', () => {
  let deployment: Deployment;
  let daemon: Daemon;
  const startMs = Date.now() - 60_000;

  beforeAll(async () => {
    deployment = await openDeployment();
    daemon = await deployment.start({
      mqtt: { client_id: 'alert-test' },
      routes: [
        {
          topic: 'sensors/{location}/{device}/readings',
          codec: 'json',
          availability: 'sensors/{location}/{device}/status',
        },
      ],
      alerts: { metrics: { temperature: { max: 30, hysteresis: 1 }, humidity: { no_data_after: '2s' } } },
      log: { alert_log: 'alerts.log' },
    });
  });
  afterAll(() => deployment?.close());

  const publish = (seconds: number, temperature: number) =>
    deployment.publish('a1', { ts: startMs + seconds * 1000, temperature });
  const stored = (readings: number) => deployment.stored(readings);
  const alerts = () => deployment.rows('SELECT * FROM sensor_alerts ORDER BY time');
  const lines = (): LogLine[] => daemon.log.filter((line) => line['alert_id'] !== undefined);

  it('gives one row and one log line however many readings repeat it', async () => {
    for (const [second, value] of [25, 31, 32, 35, 33].entries()) await publish(second, value);
    await stored(5);
    await daemon.logged((line) => line['event'] === 'firing');
    expect(await alerts()).toMatchObject([
      { alert_type: 'temperature_high', value: 31, threshold: 30, severity: 'warning', resolved_at: null },
    ]);
    // The line does not wait for a slow commit.
    expect(lines()).toMatchObject([{ level: 'warn', event: 'firing', value: 31, threshold: 30 }]);
    // Killed between the two logs, a daemon writes its line to both again.
    await eventually('it is in the alert log', async () => (await daemon.alertLog()).length === 1);
  });

  it('statement 22: is not published again after SIGKILL and after an orderly restart', async () => {
    await daemon.end('SIGKILL');
    await daemon.launch();
    await publish(10, 34);
    await stored(6);
    expect(await daemon.end('SIGTERM')).toBe(0);
    await daemon.launch();
    await publish(11, 36);
    await stored(7);
    expect(await alerts()).toHaveLength(1);
    expect(lines()).toHaveLength(1);
  });

  it('is resolved once, in the row it began with, and in the alert log of its own', async () => {
    await publish(20, 28);
    await stored(8);
    await daemon.logged((line) => line['event'] === 'resolved');
    expect(await alerts()).toMatchObject([{ resolved_value: 28, resolve_reason: 'value', peak_value: 36 }]);
    const events = async () => (await daemon.alertLog()).map((line) => line['event']);
    await eventually('the second line', async () => (await events()).length === 2);
    expect(await events()).toEqual(['firing', 'resolved']);
  });

  it('is also silence: a sensor that stops is alerted by time alone, and resolved by its next reading', async () => {
    const from = daemon.log.length;
    await deployment.publish('b1', { humidity: 40 });
    await daemon.logged(
      (line) => line['alert_type'] === 'humidity_no_data' && line['event'] === 'firing',
      from,
    );
    await deployment.publish('b1', { humidity: 41 });
    await daemon.logged(
      (line) => line['alert_type'] === 'humidity_no_data' && line['event'] === 'resolved',
      from,
    );
    const rows = await alerts();
    expect(rows.filter((row) => row.alert_type === 'humidity_no_data')).toMatchObject([
      { value: 2, threshold: 2, resolve_reason: 'data_resumed' },
    ]);
  });

  it('is also a last will: offline when its device is killed, also over a restart, until it is back', async () => {
    const topic = 'sensors/lab/c1/status';
    const offline = (event: string, from: number) =>
      daemon.logged((line) => line['alert_type'] === 'offline' && line['event'] === event, from);
    const from = daemon.log.length;
    await deployment.publish('c1', { temperature: 20 });
    const device = await connectDevice(deployment.broker.url, topic);
    device.kill('SIGKILL');
    expect(await offline('firing', from)).toMatchObject({ sensor: 'c1', value: 0 });
    const isOffline = ({ alert_type: type }: Record<string, unknown>) => type === 'offline';
    await eventually('its row', async () => (await alerts()).some(isOffline));
    await daemon.end('SIGKILL');
    await daemon.launch();
    const again = await connectDevice(deployment.broker.url, topic);
    await offline('resolved', from);
    again.kill('SIGKILL');
    await offline('firing', daemon.log.length);
    await eventually('the second row', async () => (await alerts()).filter(isOffline).length === 2);
    const rows = (await alerts()).filter(isOffline);
    expect(rows).toMatchObject([
      { message: 'c1: reported offline', metric: '', value: 0, threshold: 0, resolve_reason: 'data_resumed' },
      { metric: '', value: 0, threshold: 0, resolved_at: null },
    ]);
  });
});

/** A separate process with a last will that has published that it is online. */
async function connectDevice(url: string, topic: string): Promise<ChildProcess> {
  const code = `
    const { default: mqtt } = await import('mqtt');
    const [url, topic] = process.argv.slice(1);
    const will = { topic, payload: 'offline', qos: 1, retain: true };
    const client = await mqtt.connectAsync(url, { clientId: 'device-c1', will });
    await client.publishAsync(topic, 'online', { qos: 1, retain: true });
    console.log('online');`;
  const device = spawn(process.execPath, ['--input-type=module', '-e', code, url, topic], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(device.stdout, 'data');
  return device;
}
