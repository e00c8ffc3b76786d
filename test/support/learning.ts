import { inflate } from '../../src/adapters/system/inflate.ts';
import { parseReplayLine } from '../../src/cli/decode/decode.ts';
import { limitsSchema, timeWindowSchema } from '../../src/config/schema/routes.ts';
import type { RouteConfig } from '../../src/core/ingest/route-config.ts';
import { Gathering } from '../../src/learn/gathering.ts';
import { learn } from '../../src/learn/index.ts';
import type { Learned } from '../../src/learn/learned.ts';
import { type WatchedRoute, RECEIVED_AT } from './routes.ts';

export function learnFrom(messages: readonly WatchedRoute[], timezone?: string): Learned {
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
export const jsons = (messages: Readonly<Record<string, unknown>>): WatchedRoute[] =>
  Object.entries(messages).map(([topic, payload]) => ({ topic, payload: JSON.stringify(payload) }));

export const texts = (messages: Readonly<Record<string, string>>): WatchedRoute[] =>
  Object.entries(messages).map(([topic, payload]) => ({ topic, payload }));
