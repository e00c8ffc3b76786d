import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import mqtt, { type MqttClient } from 'mqtt';
import { type EmbeddedBroker, startEmbeddedBroker } from '../../../src/embedded/broker.ts';
import { TestAuthority } from '../../support/certificates.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { SINK_DEPS, sinkOf } from '../../support/far-side.ts';
import { HttpServer } from '../../support/http-server.ts';
import { T0_MS, dispatchOf, notificationOf, outgoing, renotify } from '../../support/notifications.ts';
import { SmtpServer } from '../../support/smtp-server.ts';
import { describeWith } from '../../support/tools.ts';

const signal = AbortSignal.timeout(120_000);

describe('ntfy', () => {
  let server: HttpServer;
  beforeAll(async () => {
    server = await HttpServer.start();
  });
  afterAll(() => server.stop());

  test('title, priority by severity, tags, the runbook as a link, the token', async () => {
    const sink = sinkOf({
      kind: 'ntfy',
      url: server.url,
      topic: 'alerts',
      token: 'tok',
      tags: ['north'],
      title: '{{severity}}: {{name}}',
      body: '{{value}} > {{threshold}}',
    });
    await sink.send(dispatchOf({ severity: 'critical' }), signal);
    await sink.send(dispatchOf({ event: 'resolved', runbook: 'call Ann' }), signal);
    expect(server.bodies).toEqual([
      {
        topic: 'alerts',
        title: 'critical: Kitchen, left',
        message: '31 > 30',
        priority: 5,
        tags: ['rotating_light', 'north'],
        click: 'https://wiki.example/heat',
      },
      {
        topic: 'alerts',
        title: 'warning: Kitchen, left',
        message: '29 > 30',
        priority: 3,
        tags: ['white_check_mark', 'north'],
      },
    ]);
    expect(server.calls[0]?.headers['authorization']).toBe('Bearer tok');
  });
});

const LINKS = { acknowledge: 'https://fw.example/act/a', silence: 'https://fw.example/act/s' };
const WITH_LINKS = { ...SINK_DEPS, linksOf: () => LINKS };

describe('an alert that is open can be answered', () => {
  test('by buttons of ntfy that POST', async () => {
    const server = await HttpServer.start();
    const sink = sinkOf({ kind: 'ntfy', url: server.url, topic: 'alerts', language: 'es' }, WITH_LINKS);
    await sink.send(dispatchOf({}), signal);
    await sink.send(dispatchOf({ event: 'resolved' }), signal);
    await sink.send(dispatchOf({ sensorId: 0 }), signal);
    await server.stop();
    const [open, over, system] = server.bodies as Record<string, unknown>[];
    expect(open?.['actions']).toEqual([
      { action: 'http', label: 'Confirmar', url: LINKS.acknowledge, method: 'POST', clear: true },
      { action: 'http', label: 'Silenciar 2 h', url: LINKS.silence, method: 'POST', clear: true },
    ]);
    for (const each of [over, system]) expect(each).not.toHaveProperty('actions');
  });

  test('by links in a mail, and in the annotations of a webhook', async () => {
    const [mails, hook] = [await SmtpServer.start(), await HttpServer.start()];
    const to = {
      host: '127.0.0.1',
      port: mails.port,
      tls: 'off',
      from: 'fw@example.org',
      to: ['a@example.org'],
    };
    await sinkOf({ kind: 'smtp', ...to, timeout: '20s' }, WITH_LINKS).send(dispatchOf({}), signal);
    await sinkOf({ kind: 'webhook', url: hook.url }, WITH_LINKS).send(dispatchOf({}), signal);
    await Promise.all([mails.stop(), hook.stop()]);
    expect(mails.mails[0]?.text).toMatch(
      /^Acknowledge: https:\/\/fw\.example\/act\/a\r?\nSilence for 2 h: https/m,
    );
    expect(hook.bodies).toMatchObject([
      { alerts: [{ annotations: { ack_url: LINKS.acknowledge, silence_url: LINKS.silence } }] },
    ]);
  });
});

describe('mail', () => {
  const options = (server: SmtpServer) => ({
    kind: 'smtp',
    ...{ host: '127.0.0.1', port: server.port, tls: 'off', timeout: '20s' },
    ...{ from: 'Fieldwatch <fw@example.org>', to: ['a@example.org', 'b@example.org'] },
  });

  test('goes to all, says what happened, has one id for all attempts and one thread for an episode', async () => {
    const server = await SmtpServer.start();
    try {
      const sink = sinkOf(options(server));
      await sink.send(dispatchOf({ alertId: 'a', severity: 'critical' }), signal);
      const [mail] = server.mails;
      expect(mail).toMatchObject({ from: 'fw@example.org', to: ['a@example.org', 'b@example.org'] });
      for (const line of [
        /^Subject: =\?UTF-8\?Q\?Kitchen=2C_left=3A_temperature_31_=C2=B0\?= =\?UTF-8\?Q\?C=2C_above_30_=C2=B0C\?=$/m,
        /^Message-ID: <a\.1@fieldwatch>$/m,
        /^References: <a@fieldwatch>$/m,
        /^Auto-Submitted: auto-generated$/im,
        /^Kitchen, left: temperature 31 =C2=B0C, above 30 =C2=B0C$/m,
        /^ground floor =C2=B7 critical$/m,
        /^runbook: https:\/\/wiki\.(?:=|example\/heat)$/m,
      ])
        expect(mail?.text).toMatch(line);
    } finally {
      await server.stop();
    }
  });

  describeWith('openssl')('with TLS', () => {
    test('STARTTLS where it is required, to a server that is genuine, or no mail', async () => {
      const dir = await mkdtemp(join(tmpdir(), 'fieldwatch-smtp-'));
      const authority = await TestAuthority.create(dir);
      const { certFile, keyFile } = await authority.issue('server');
      const tls = { cert: await readFile(certFile), key: await readFile(keyFile) };
      const auth = { user: 'fw', password: 'pw' };
      const [server, plain] = [await SmtpServer.start({ tls, auth }), await SmtpServer.start()];
      try {
        const secure = { tls: 'required', username: 'fw', password: 'pw' };
        const genuine = { ...options(server), ...secure, host: 'localhost', ca_file: authority.caFile };
        await sinkOf(genuine).send(dispatchOf({}), signal);
        expect(server.mails).toMatchObject([{ encrypted: true, user: 'fw' }]);
        const stranger = { ...genuine, ca_file: undefined };
        await expect(sinkOf(stranger).send(dispatchOf({}), signal)).rejects.toThrow();
        const downgraded = { ...options(plain), ...secure };
        await expect(sinkOf(downgraded).send(dispatchOf({}), signal)).rejects.toThrow();
        expect([server.mails.length, plain.mails.length]).toEqual([1, 0]);
      } finally {
        await server.stop();
        await plain.stop();
        await rm(dir, { recursive: true });
      }
    });
  });
});

describe('the alertmanager sink', () => {
  let server: HttpServer;
  let clock: FakeClock;
  beforeAll(async () => {
    server = await HttpServer.start();
  });
  afterAll(() => server.stop());
  const make = () => {
    server.calls.length = 0;
    clock = new FakeClock(T0_MS + 120_000);
    return sinkOf({ kind: 'alertmanager', url: `${server.url}/am/`, resend: '1m' }, { ...SINK_DEPS, clock });
  };
  type Posted = { labels: Record<string, string>; startsAt: string; endsAt: string };
  const posted = () => (server.bodies as Posted[][]).at(-1)?.map(({ labels, startsAt, endsAt }) => [labels['severity'], startsAt, endsAt]); // prettier-ignore
  const at = (ms: number) => new Date(T0_MS + ms).toISOString();

  test('labels identify, the start is when it fired, the end is four resends away', async () => {
    const sink = make();
    await sink.send(dispatchOf({ alertId: 'a' }), signal);
    expect(server.calls[0]?.path).toBe('/am/api/v2/alerts');
    expect((server.bodies as Posted[][])[0]?.[0]?.labels).toEqual({
      alertname: 'temperature_high', sensor: 'kitchen', severity: 'warning',
    }); // prettier-ignore
    expect(posted()).toEqual([['warning', at(60_000), at(360_000)]]);
    clock.advance(60_000);
    await renotify(sink, signal);
    expect(posted()).toEqual([['warning', at(60_000), at(420_000)]]);
  });

  test.each([
    ['higher', 'warning', 'escalated', 'critical'],
    ['lower', 'critical', 'deescalated', 'warning'],
  ] as const)(
    'a %s severity resolves the old label set with the same call',
    async (_, old, event, severity) => {
      const sink = make();
      await sink.send(dispatchOf({ alertId: 'a', severity: old }), signal);
      await sink.send(dispatchOf({ alertId: 'a', seq: 2, event, severity }), signal);
      expect(posted()).toEqual([
        [old, at(60_000), at(120_000)],
        [severity, at(60_000), at(360_000)],
      ]);
    },
  );

  test('the end, in event time, is sent again for fifteen minutes, then forgotten', async () => {
    const sink = make();
    await sink.send(dispatchOf({ alertId: 'a' }, { alertId: 'a', seq: 2, event: 'resolved' }), signal);
    clock.advance(600_000);
    await renotify(sink, signal);
    expect(posted()).toEqual([['warning', at(60_000), at(240_000)]]);
    const calls = server.calls.length;
    clock.advance(400_000);
    await renotify(sink, signal);
    expect(server.calls).toHaveLength(calls);
  });

  test('however many are open, they are sent again in calls of their own', async () => {
    const sink = make();
    const many = Array.from({ length: 1200 }, (_, n) => ({
      notification: notificationOf({ sensorKey: `s${n}` }),
      notifiedAtMs: T0_MS,
    }));
    sink.resend?.restore(many);
    expect([...(sink.resend?.calls() ?? [])]).toHaveLength(3);
    await renotify(sink, signal);
    expect((server.bodies as Posted[][]).map((posts) => posts.length)).toEqual([500, 500, 200]);
  });

  test('after a restart it goes on sending; what failed is not remembered as sent', async () => {
    const sink = make();
    sink.resend?.restore([
      { notification: notificationOf({ alertId: 'a' }), notifiedAtMs: T0_MS },
      { notification: notificationOf({ alertId: 'b', event: 'resolved', sensorKey: 'attic' }), notifiedAtMs: T0_MS + 90_000 },
    ]); // prettier-ignore
    await renotify(sink, signal);
    expect(posted()).toEqual([
      ['warning', at(60_000), at(360_000)],
      ['warning', at(60_000), at(240_000)],
    ]);
    server.behaviour = { status: 503 };
    await expect(
      sink.send(dispatchOf({ alertId: 'a', event: 'escalated', severity: 'critical' }), signal),
    ).rejects.toThrow();
    server.behaviour = { status: 200 };
    await renotify(sink, signal);
    expect(posted()?.[0]?.[0]).toBe('warning');
  });

  test('what began with flapping and never fired ends with it; what fired goes on', async () => {
    const sink = make();
    const flapped = { alertId: 'f', firedAtMs: null } as const;
    await sink.send(dispatchOf({ ...flapped, event: 'flapping_start' }, { ...flapped, event: 'flapping_end' }), signal); // prettier-ignore
    expect(posted()?.map(([, , end]) => end)).toEqual([at(360_000), at(60_000)]);
    await sink.send(dispatchOf({ alertId: 'g', event: 'flapping_end' }), signal);
    expect(posted()?.map(([, , end]) => end)).toEqual([at(360_000)]);
  });
});

describe('MQTT', () => {
  let broker: EmbeddedBroker;
  let client: MqttClient;
  beforeAll(async () => {
    broker = await startEmbeddedBroker({ host: '127.0.0.1', port: 0 });
    client = await mqtt.connectAsync(broker.url);
  });
  afterAll(async () => {
    await client.endAsync(true);
    await broker.stop();
  });
  const make = (retain: 'never' | 'while_firing' | 'always') =>
    sinkOf(
      { kind: 'mqtt', prefix: `alerts-${retain}`, retain },
      {
        ...SINK_DEPS,
        publish: async (topic, payload, options) => void (await client.publishAsync(topic, payload, options)),
      },
    );
  /** What a new subscriber finds. */
  const retained = async (filter: string): Promise<readonly string[]> => {
    const late = await mqtt.connectAsync(broker.url);
    const found: string[] = [];
    const ended = new Promise<void>((resolve) => {
      late.on('message', (topic, payload) => {
        if (topic === 'end') return resolve();
        found.push(`${topic} ${(JSON.parse(payload.toString()) as { status: string }).status}`);
      });
    });
    await late.subscribeAsync([filter, 'end'], { qos: 1 });
    await client.publishAsync('end', '', { qos: 1 });
    await ended;
    await late.endAsync();
    return found;
  };

  test.each([
    ['never', [], []],
    ['while_firing', ['alerts-while_firing/lab%2Fa1/temperature_high firing'], []],
    ['always', ['alerts-always/lab%2Fa1/temperature_high firing'], ['alerts-always/lab%2Fa1/temperature_high resolved']],
  ] as const)('retain: %s', async (retain, whileFiring, afterwards) => {
    const sink = make(retain);
    await sink.send({ notifications: [outgoing({ sensorKey: 'lab/a1' })], total: 1 }, signal);
    expect(await retained(`alerts-${retain}/#`)).toEqual(whileFiring);
    await sink.send({ notifications: [outgoing({ sensorKey: 'lab/a1', event: 'resolved' })], total: 1 }, signal);
    expect(await retained(`alerts-${retain}/#`)).toEqual(afterwards);
  }); // prettier-ignore
});
