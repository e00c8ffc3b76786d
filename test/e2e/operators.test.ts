import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { alertsCommand } from '../../src/cli/alerts/index.ts';
import { runCli } from '../support/cli.ts';
import mqtt, { type MqttClient } from 'mqtt';
import { buttonData } from '../../src/sinks/telegram-buttons.ts';
import type { Daemon, LogLine } from '../support/daemon.ts';
import { type Deployment, openDeployment } from '../support/deployment.ts';
import { eventually } from '../support/eventually.ts';
import { type KillPoint, killAt } from '../support/kill-point.ts';
import { TelegramServer } from '../support/telegram-server.ts';
import { describeWith } from '../support/tools.ts';

const COMMANDS = 'fieldwatch/commands';

/** Where a daemon is killed with a command in its hands. */
const POINTS: readonly (KillPoint & {
  readonly link: 'brokerLink' | 'databaseLink';
  readonly repeated: readonly boolean[];
})[] = [
  {
    name: 'before it is stored',
    link: 'databaseLink',
    direction: 'up',
    seen: /INSERT INTO silences/,
    repeated: [false],
  },
  {
    name: 'before its answer',
    link: 'brokerLink',
    direction: 'up',
    seen: /commands\/answers/,
    repeated: [true],
  },
  {
    ...{ name: 'after its answer, before it is acknowledged', link: 'brokerLink', direction: 'up' },
    ...{ seen: /commands\/answers/, delivered: true, repeated: [false, true] },
  },
];

describeWith('mosquitto')('requests of operators to a running daemon', () => {
  let deployment: Deployment;
  let daemon: Daemon;
  let telegram: TelegramServer;

  beforeAll(async () => {
    deployment = await openDeployment();
    telegram = await TelegramServer.start();
    daemon = await deployment.start({
      mqtt: { client_id: 'operator-test', commands: { topic: COMMANDS } },
      notify: [
        {
          ...{ name: 'phone', kind: 'telegram', url: telegram.url, token: '123456:ABC-def', chat: -100123 },
          buttons: true,
        },
      ],
      alerts: {
        metrics: {
          temperature: { max: 30, latch: true, levels: [{ severity: 'critical', max: 40 }] },
          humidity: { max: 80 },
        },
      },
    });
  });
  afterAll(async () => {
    await deployment?.close();
    await telegram?.stop();
  });

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

  const alertOf = async (device: string) => {
    const [row] = await deployment.rows<{ alert_id: string }>(
      `SELECT a.alert_id FROM alert_state a JOIN sensors s ON s.id = a.sensor_id WHERE s.key = $1 AND a.state = 'firing'`,
      [device],
    );
    return row?.alert_id ?? '';
  };

  describe('by a message', () => {
    let client: MqttClient;
    let answers: { readonly id: string; readonly status: string; readonly repeated: boolean }[];

    beforeAll(async () => {
      client = await mqtt.connectAsync(deployment.broker.url, { protocolVersion: 5 });
      client.on('message', (_topic, payload) => answers.push(JSON.parse(payload.toString()) as never));
      await client.subscribeAsync(`${COMMANDS}/answers`, { qos: 1 });
      await publish('m1', { humidity: 90 });
      await alertLine('firing', 'm1');
    });
    beforeEach(() => {
      answers = [];
    });
    afterAll(() => client?.endAsync(true));

    const ask = (command: Record<string, string>) =>
      client.publishAsync(COMMANDS, JSON.stringify({ by: 'ann', ...command }), { qos: 1 });
    const answered = (id: string, times = 1) =>
      eventually(`${times} answers to ${id}`, () => answers.filter((each) => each.id === id).length >= times);

    it.each(POINTS.map((point) => [point.name, point] as const))(
      'a command is executed once where the daemon is killed %s',
      async (name, point) => {
        const alertId = await alertOf('m1');
        const command = { id: name, action: 'silence', alert_id: alertId, for: '1h' };
        await killAt(point, deployment[point.link], daemon, () => ask(command));
        await answered(name, point.repeated.length);
        expect(answers).toMatchObject(point.repeated.map((repeated) => ({ status: 'done', repeated })));
        const silences = 'silences WHERE ends_at > now() AND created_by = $1';
        expect(await deployment.count(silences, ['ann (mqtt)'])).toBe(1);
        await ask({ id: `${name}, over`, action: 'unsilence', alert_id: alertId });
        await answered(`${name}, over`);
        expect(await deployment.count(silences, ['ann (mqtt)'])).toBe(0);
      },
    );
  });

  it('a button is executed once where the daemon is killed before it answers', async () => {
    await publish('t1', { humidity: 90 });
    await alertLine('firing', 't1');
    telegram.failing.set('editMessageText', Infinity);
    const press = telegram.press({ data: buttonData('ack', await alertOf('t1')) });
    await eventually('it would be answered', () => telegram.of('editMessageText').length > 0);
    await daemon.end('SIGKILL');
    telegram.failing.clear();
    telegram.calls.length = 0;
    await daemon.launch();
    await eventually('it is answered', () => telegram.of('answerCallbackQuery').length > 0);
    expect(telegram.of('answerCallbackQuery')).toMatchObject([
      { callback_query_id: press, text: expect.stringMatching(/^Acknowledged by Ann/) as unknown },
    ]);
    expect(
      await deployment.rows('SELECT asked_by FROM alert_commands WHERE request_id = $1', [
        `telegram:${press}`,
      ]),
    ).toEqual([{ asked_by: 'Ann @ann_l (phone)' }]);
  });
});
