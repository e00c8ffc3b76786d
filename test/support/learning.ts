import { inflate } from '../../src/adapters/zlib/inflate.ts';
import { limitsSchema, timeWindowSchema } from '../../src/config/schema/routes.ts';
import { parseReplayLine } from '../../src/cli/decode-core.ts';
import { Gathering, learn, type Learned } from '../../src/core/learn/index.ts';
import type { RouteConfig } from '../../src/core/route-config.ts';
import { RECEIVED_AT, type Feed } from './routes.ts';

export function learnFrom(messages: readonly Feed[], timezone?: string): Learned {
  const gathering = new Gathering();
  messages.forEach((message, at) => {
    const entry = { received_at: RECEIVED_AT, topic: 'sensors/n1', ...message };
    gathering.add(parseReplayLine(JSON.stringify(entry), at + 1, () => 0));
  });
  return learn(gathering, {
    limits: limitsSchema.parse({}),
    timeWindow: timeWindowSchema.parse({}),
    inflate,
    timezone,
  });
}

export const routesOf = (learned: Learned): RouteConfig[] => learned.routes.map(({ route }) => route);

/** Messages of JSON payloads by topic. */
export const jsons = (messages: Readonly<Record<string, unknown>>): Feed[] =>
  Object.entries(messages).map(([topic, payload]) => ({ topic, payload: JSON.stringify(payload) }));

export const texts = (messages: Readonly<Record<string, string>>): Feed[] =>
  Object.entries(messages).map(([topic, payload]) => ({ topic, payload }));
