import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mqtt from 'mqtt';
import { startEmbeddedBroker } from '../../src/embedded/broker.ts';
import { notifySchema } from '../../src/config/schema/notify.ts';
import type { NotificationSink } from '../../src/ports/notification.ts';
import { SINKS, createSink } from '../../src/sinks/index.ts';
import type { SinkDeps } from '../../src/sinks/sink.ts';
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
  texts: { language: 'en' as const, timezone: 'UTC' },
  factsOf: () => ({ name: 'Kitchen, left', location: 'ground floor' }),
  publish: () => Promise.reject(new Error('not connected')),
};

/** A sink as it is configured; `name` may be left out. */
export function sinkOf(
  given: Readonly<Record<string, unknown>>,
  deps: SinkDeps = SINK_DEPS,
): NotificationSink {
  const [config] = notifySchema.parse([{ name: 'ops', ...given }]).sinks;
  if (config === undefined) throw new Error('one sink in, one sink out');
  return createSink(config, deps);
}

async function smtpFarSide(): Promise<FarSide> {
  const auth = { user: 'fw', password: SECRET };
  const server = await SmtpServer.start({ auth });
  const credentials = await mkdtemp(join(tmpdir(), 'fieldwatch-smtp-'));
  const passwordFile = join(credentials, 'password');
  await writeFile(passwordFile, SECRET);
  const [config] = notifySchema.parse([
    {
      ...{ kind: 'smtp', name: 'ops', host: '127.0.0.1', port: server.port, timeout: '20s' },
      ...{ from: 'Fieldwatch <fw@example.org>', to: ['a@example.org', 'b@example.org'] },
      ...{ username: 'fw', password_file: passwordFile },
    },
  ]).sinks;
  if (config?.kind !== 'smtp') throw new Error('one sink in, one sink out');
  // A configuration would refuse that: the password travels in clear text, between two parts of this test.
  const sink = createSink({ ...config, tls: 'off' }, SINK_DEPS);
  const moods: Partial<Record<Mood, SmtpBehaviour>> = {
    busy: { reply: `451 later ${SECRET}` },
    refusing: { reply: `550 no ${SECRET}` },
    silent: 'hang',
    breaking: 'reset',
  };
  return {
    sink,
    be: async (mood) => {
      server.behaviour = moods[mood] ?? 'fine';
      await writeFile(passwordFile, mood === 'unauthorized' ? `${SECRET}-old` : SECRET);
    },
    received: () => server.mails.map(({ text }) => text),
    down: () => server.stop(),
    stop: async () => {
      await sink.close();
      await server.stop();
      await rm(credentials, { recursive: true });
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
  const sink = sinkOf(
    { kind: 'mqtt', prefix: 'fieldwatch/alerts', retain: 'while_firing' },
    {
      ...SINK_DEPS,
      publish: async (topic, payload, options) => {
        if (!publisher.connected) throw new Error('not connected');
        await publisher.publishAsync(topic, payload, options);
      },
    },
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

/** The example of a kind of sink with the address of the server, and the secret wherever it holds one. */
function exampleOf(kind: keyof typeof SINKS, serverUrl: string): Readonly<Record<string, unknown>> {
  const secret = (value: unknown): unknown =>
    typeof value === 'string' ? value.replace(/\bsecret\b/, SECRET) : value;
  const example = Object.entries(SINKS[kind].example).map(([key, value]) => [key, secret(value)] as const);
  const { pathname } = new URL(String(Object.fromEntries(example)['url']));
  return { ...Object.fromEntries(example), url: `${serverUrl}${pathname === '/' ? '' : pathname}` };
}

const OWN_PROTOCOL: Readonly<Record<string, () => Promise<FarSide>>> = {
  smtp: smtpFarSide,
  mqtt: mqttFarSide,
};

/** One for each kind of sink. Those that speak HTTP are made of their example: a new one needs nothing here. */
export const FAR_SIDES: Readonly<Record<string, () => Promise<FarSide>>> = Object.fromEntries(
  (Object.keys(SINKS) as (keyof typeof SINKS)[]).map((kind) => [
    kind,
    OWN_PROTOCOL[kind] ?? (() => httpFarSide((url) => sinkOf(exampleOf(kind, url)))),
  ]),
);
