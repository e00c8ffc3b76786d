import { inflate } from '../../src/adapters/system/inflate.ts';
import { parseReplayLine } from '../../src/cli/decode/decode.ts';
import { limitsSchema, routesSchema, timeWindowSchema } from '../../src/config/schema/routes.ts';
import { type Router, compileRoutes } from '../../src/core/ingest/route.ts';
import type { Decoded } from '../../src/core/reading.ts';

/** Routes as the YAML has them, through the schema, with the default limits. */
export function routerOf(routes: unknown, limits: unknown = {}): Router {
  return compileRoutes(routesSchema.parse(routes), {
    limits: limitsSchema.parse(limits),
    timeWindow: timeWindowSchema.parse({}),
    inflate,
  });
}

export const RECEIVED_AT = '2026-01-15T12:00:00.000Z';

export interface WatchedRoute {
  readonly topic?: string;
  readonly payload?: string;
  readonly payload_hex?: string;
  readonly payload_gen?: object;
  readonly retain?: boolean;
  readonly received_at?: string;
  readonly content_type?: string;
}

/** Decodes one message in the form of a capture's line. */
export function feed(router: Router, message: WatchedRoute): Decoded {
  const entry = { received_at: RECEIVED_AT, topic: 'sensors/n1', ...message };
  return router.decode(parseReplayLine(JSON.stringify(entry), 1, () => 0));
}

/** Readings without their Maps, or the reject code: what a table of expectations compares. */
export function plain(decoded: Decoded): unknown {
  if (decoded.kind === 'reject') return decoded.code;
  return decoded.readings.map(({ device, timeUs, metrics }) => ({
    device,
    time: timeUs,
    metrics: Object.fromEntries(metrics),
  }));
}

/** One object through a `json` route on `sensors/{device}`: its metrics, or the reject code. */
export function metricsOf(payload: unknown, options: object = {}, message: WatchedRoute = {}): unknown {
  const router = routerOf([{ codec: 'json', topic: 'sensors/{device}', ...options }]);
  const text = typeof payload === 'object' ? JSON.stringify(payload) : payload;
  const decoded = feed(router, { ...(typeof text === 'string' ? { payload: text } : {}), ...message });
  if (decoded.kind === 'reject') return decoded.code;
  return decoded.readings.length === 1 ? Object.fromEntries(decoded.readings[0]!.metrics) : plain(decoded);
}
