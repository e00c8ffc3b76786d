import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { alertsCommand } from '../../src/cli/alerts.ts';
import { runCli } from '../support/cli.ts';
import type { Daemon, LogLine } from '../support/daemon.ts';
import { type Deployment, openDeployment } from '../support/deployment.ts';
import { eventually } from '../support/eventually.ts';
import { describeWith } from '../support/tools.ts';

describeWith('mosquitto')('what operators say to a daemon that runs', () => {
  let deployment: Deployment;
  let daemon: Daemon;

  beforeAll(async () => {
    deployment = await openDeployment();
    daemon = await deployment.start({
      mqtt: { client_id: 'operator-test' },
      alerts: {
        metrics: {
          temperature: { max: 30, latch: true, levels: [{ severity: 'critical', max: 40 }] },
          humidity: { max: 80 },
        },
      },
    });
  });
  afterAll(() => deployment?.close());

  const publish = (device: string, metrics: Record<string, number>) => deployment.publish(device, metrics);
  const alerts = async (...args: string[]) =>
    runCli(alertsCommand, args, { env: { FIELDWATCH_DATABASE_URL: deployment.database.url, USER: 'ann' } });
  const alertLine = (event: string, device: string, more: Record<string, unknown> = {}, from = 0) =>
    daemon.logged(
      (line: LogLine) =>
        line['event'] === event &&
        line['sensor'] === device &&
        Object.entries(more).every(([name, value]) => line[name] === value),
      from,
    );
  const rows = (device: string) =>
    deployment.rows(
      'SELECT a.* FROM sensor_alerts a JOIN sensors s ON s.id = a.sensor_id WHERE s.key = $1 ORDER BY a.time',
      [device],
    );
  const restart = async () => {
    await daemon.end('SIGKILL');
    await daemon.launch();
  };

  it('an acknowledgement reaches row and state, survives SIGKILL, and an escalation clears it', async () => {
    await publish('a1', { temperature: 31 });
    await alertLine('firing', 'a1');
    const { code, out } = await alerts('ack', 'a1', 'temperature_high', '--wait', '60s');
    expect([code, out]).toEqual([0, 'acknowledged: a1 temperature_high\n']);
    expect(await rows('a1')).toMatchObject([{ acked_by: 'ann', acked_at: expect.any(Date) as unknown }]);
    await restart();
    const again = await alerts('ack', 'a1', 'temperature_high', '--wait', '60s', '--by', 'bob');
    expect(again.out).toBe('was acknowledged before: a1 temperature_high\n');
    await publish('a1', { temperature: 41 });
    await alertLine('escalated', 'a1');
    const state = await deployment.rows(
      `SELECT s.detail -> 'ack' AS ack FROM alert_state s JOIN sensors x ON x.id = s.sensor_id WHERE x.key = 'a1'`,
    );
    expect(state).toEqual([{ ack: null }]);
    expect(await rows('a1')).toMatchObject([{ acked_by: 'ann' }, { acked_by: null }]);
  });

  it('what is latched stays open over SIGKILL until it is acknowledged', async () => {
    await publish('a1', { temperature: 20 });
    await eventually('latched', async () => (await alerts('list', '--open')).out.includes('latched'));
    await restart();
    expect((await alerts('ack', 'a1', 'temperature_high', '--wait', '60s')).out).toContain('acknowledged');
    await alertLine('resolved', 'a1', { reason: 'manual' });
    expect(await rows('a1')).toMatchObject([
      { acked_by: 'ann', resolve_reason: 'manual', resolved_value: 20 },
      { acked_by: 'ann', resolve_reason: 'manual' },
    ]);
    expect((await alerts('list', '--open')).out).toBe('');
  });

  it('a silence is taken in, survives SIGKILL, and at its end what still fires is sent once', async () => {
    const { out } = await alerts('silence', 'add', '--match', 'sensor=b*', '--for', '1h', '--json');
    const { id } = JSON.parse(out) as { id: string };
    await daemon.logged((line) => line.msg === 'silences changed');
    await publish('b1', { humidity: 90 });
    await publish('b2', { humidity: 91 });
    await publish('c1', { humidity: 92 });
    await alertLine('firing', 'b1', { suppressed: 'silence' });
    await alertLine('firing', 'b2', { suppressed: 'silence' });
    await alertLine('firing', 'c1', { suppressed: null });
    expect(await rows('b1')).toMatchObject([{ suppressed: 'silence' }]);
    await restart();
    await publish('b2', { humidity: 20 });
    await alertLine('resolved', 'b2', { suppressed: 'silence' });
    const from = daemon.log.length;
    await alerts('silence', 'expire', id);
    await alertLine('firing', 'b1', { suppressed: null, seq: 2 }, from);
    await publish('b1', { humidity: 20 });
    await alertLine('resolved', 'b1', { suppressed: null }, from);
    await alertLine('silence_ended', 'b*', { by: 'ann' }, from);
    const isOfAlert = ({ event }: LogLine) => event !== undefined && event !== 'silence_ended';
    const lines = daemon.log.slice(from).filter(isOfAlert);
    expect(lines.map((line) => [line['event'], line['sensor']])).toEqual([
      ['firing', 'b1'],
      ['resolved', 'b1'],
    ]);
  });
});
