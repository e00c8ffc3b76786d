import { createSink } from '../../src/adapters/notify/index.ts';
import type { NotificationSink } from '../../src/ports.ts';
import { FakeClock } from './fake-clock.ts';
import { HttpServer, type HttpBehaviour } from './http-server.ts';
import { T0_MS } from './notifications.ts';

export const SECRET = 'hunter2-Sup3r';

/** How a far side may behave, whatever it speaks. */
export type Mood = 'fine' | 'busy' | 'refusing' | 'unauthorized' | 'silent' | 'breaking';

/** A sink and a real server that it talks to. */
export interface FarSide {
  readonly sink: NotificationSink;
  /** Moods that this kind of server knows. */
  readonly moods: readonly Mood[];
  be(mood: Mood): Promise<void> | void;
  /** Everything it has received, as text. */
  received(): readonly string[];
  /** Stops the server; the sink stays. */
  down(): Promise<void>;
  stop(): Promise<void>;
}

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
    moods: ['busy', 'refusing', 'unauthorized', 'silent', 'breaking'],
    be: (mood) => void (server.behaviour = HTTP_MOODS[mood]),
    received: () => server.calls.filter(({ method }) => method === 'POST').map(({ body }) => body),
    down: () => server.stop(),
    stop: async () => {
      await sink.close();
      await server.stop();
    },
  };
}

const deps = { clock: new FakeClock(T0_MS) };

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
        deps,
      ),
    ),
};
