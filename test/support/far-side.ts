import mqtt from 'mqtt';
import { createSink } from '../../src/adapters/notify/index.ts';
import { startEmbeddedBroker } from '../../src/embedded/broker.ts';
import type { NotificationSink } from '../../src/ports/notification.ts';
import { FakeClock } from './fake-clock.ts';
import { type HttpBehaviour, HttpServer } from './http-server.ts';
import { T0_MS } from './notifications.ts';
import { type SmtpBehaviour, SmtpServer } from './smtp-server.ts';

export const SECRET = 'hunter2-Sup3r';

/** How a far side may behave, whatever it speaks. */
export type Mood = 'fine' | 'busy' | 'refusing' | 'unauthorized' | 'silent' | 'breaking';

/** A sink and a real server that it talks to. */
export interface FarSide {
  readonly sink: NotificationSink;
  be(mood: Mood): Promise<void> | void;
  /** Everything it has received, as text. */
  received(): readonly string[];
  /** Stops the server; the sink stays. */
  down(): Promise<void>;
  stop(): Promise<void>;
}

/** The broker of the tests has no moods: it is there or not. */
export const hasMoods = (kind: string): boolean => kind !== 'mqtt';

const HTTP_MOODS: Readonly<Record<Mood, HttpBehaviour>> = {
  fine: { status: 200, body: '{}' },
  busy: { status: 503, body: `busy, ${SECRET}`, headers: { 'retry-after': '7' } },
  refusing: { status: 400, body: `cannot read that: ${SECRET}` },
  unauthorized: { status: 401, body: `wrong: ${SECRET}` },
  silent: 'hang',
  breaking: 'reset',
};

async function httpFarSide(make: (url: string) => NotificationSink): Promise<FarSide> {
  const server = await HttpServer.start();
  const sink = make(server.url);
  return {
    sink,
    be: (mood) => void (server.behaviour = HTTP_MOODS[mood]),
    received: () => server.calls.filter(({ method }) => method === 'POST').map(({ body }) => body),
    down: () => server.stop(),
    stop: async () => {
      await sink.close();
      await server.stop();
    },
  };
}

/** What a sink is made with, in tests. */
export const SINK_DEPS = {
  clock: new FakeClock(T0_MS),
  factsOf: () => ({ name: 'Kitchen, left', location: 'ground floor' }),
};
const withToken = { credentials: () => ({ token: SECRET }) };

async function smtpFarSide(): Promise<FarSide> {
  const auth = { user: 'fw', password: SECRET };
  const server = await SmtpServer.start({ auth });
  let password = SECRET;
  const sink = createSink(
    'smtp',
    {
      host: '127.0.0.1',
      port: server.port,
      tls: 'off',
      caFile: undefined,
      credentials: () => ({ username: 'fw', password }),
      from: 'Fieldwatch <fw@example.org>',
      to: ['a@example.org', 'b@example.org'],
      timeoutMs: 20_000,
    },
    SINK_DEPS,
  );
  const moods: Partial<Record<Mood, SmtpBehaviour>> = {
    busy: { reply: `451 later ${SECRET}` },
    refusing: { reply: `550 no ${SECRET}` },
    silent: 'hang',
    breaking: 'reset',
  };
  return {
    sink,
    be: (mood) => {
      server.behaviour = moods[mood] ?? 'fine';
      password = mood === 'unauthorized' ? `${SECRET}-old` : SECRET;
    },
    received: () => server.mails.map(({ text }) => text),
    down: () => server.stop(),
    stop: async () => {
      await sink.close();
      await server.stop();
    },
  };
}

async function mqttFarSide(): Promise<FarSide> {
  const broker = await startEmbeddedBroker({ host: '127.0.0.1', port: 0 });
  const listener = await mqtt.connectAsync(broker.url);
  const received: string[] = [];
  listener.on('message', (topic, payload) => void received.push(`${topic} ${payload.toString()}`));
  await listener.subscribeAsync('#', { qos: 1 });
  const publisher = await mqtt.connectAsync(broker.url, { reconnectPeriod: 0 });
  const sink = createSink(
    'mqtt',
    {
      prefix: 'fieldwatch/alerts',
      retain: 'while_firing',
      publish: async (topic, payload, options) => {
        if (!publisher.connected) throw new Error('not connected');
        await publisher.publishAsync(topic, payload, options);
      },
    },
    SINK_DEPS,
  );
  let stopped = false;
  const down = async () => {
    if (stopped) return;
    stopped = true;
    const forgotten = new Promise<void>((resolve) => publisher.once('close', () => resolve()));
    await listener.endAsync(true);
    await broker.stop();
    await forgotten;
  };
  return {
    sink,
    be: () => {},
    received: () => received,
    down,
    stop: async () => {
      await down();
      await publisher.endAsync(true);
    },
  };
}

/** One for each kind of sink: a new kind is one line here, and the contract test picks it up. */
export const FAR_SIDES: Readonly<Record<string, () => Promise<FarSide>>> = {
  webhook: () =>
    httpFarSide((url) =>
      createSink(
        'webhook',
        {
          name: 'ops',
          url: () => `${url}/hooks/${SECRET}`,
          secret: () => SECRET,
          credentials: () => ({ token: SECRET }),
          headers: { 'x-team': 'north' },
          labels: { site: 'north' },
          externalUrl: 'https://dash.example',
        },
        SINK_DEPS,
      ),
    ),
  ntfy: () =>
    httpFarSide((url) =>
      createSink(
        'ntfy',
        {
          url,
          topic: () => 'alerts',
          ...withToken,
          priorities: { critical: 5, warning: 4, info: 2, resolved: 3 },
          tags: ['greenhouse'],
        },
        SINK_DEPS,
      ),
    ),
  alertmanager: () =>
    httpFarSide((url) =>
      createSink(
        'alertmanager',
        { url, ...withToken, labels: { site: 'north' }, externalUrl: '', resendMs: 60_000 },
        SINK_DEPS,
      ),
    ),
  smtp: smtpFarSide,
  mqtt: mqttFarSide,
};
