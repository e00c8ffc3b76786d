import { inflate } from '../../adapters/system/inflate.ts';
import type { DecodedMessage } from '../../api/contract/decode.ts';
import type { MessageToDecode } from '../../api/daemon.ts';
import type { Config } from '../../config/schema/index.ts';
import { routesSchema } from '../../config/schema/routes.ts';
import { FieldwatchError } from '../../core/errors.ts';
import { isSchemaText } from '../../core/ingest/codec/protobuf.ts';
import { type Router, compileRoutes } from '../../core/ingest/route.ts';
import type { RouteConfig } from '../../core/ingest/route-config.ts';
import { metricUnit } from '../../core/metric-unit.ts';
import { overlookedTime } from '../../learn/overlooked-time.ts';

/** Decodes a message by the configuration, or by one other route. With a decoder of its own: nothing is learnt from it, or counted. */
export function decodeMessage(config: Config, request: MessageToDecode, nowMs: number): DecodedMessage {
  const { limits, time_window: timeWindow } = config;
  const configs = request.route === undefined ? config.routes : [routeOf(request.route)];
  const router = compileRoutes(configs, { limits, timeWindow, inflate });
  const { topic, retain, contentType } = request;
  const payload = new Uint8Array(Buffer.from(request.payload, request.encoding));
  const receivedAtMs = request.receivedAt === undefined ? nowMs : Date.parse(request.receivedAt);
  const message = { topic, payload, retain, receivedAtMs, contentType };
  const decoded = router.decode(message);
  const route = nameOf(router, topic);
  if (decoded.kind === 'reject')
    return { route, reject: decoded.code, readings: [], dropped: [], ambiguous: [], hint: null };
  const place = overlookedTime(message, decoded, limits, inflate);
  const { dropped = [], ambiguous = [] } = decoded.losses ?? {};
  return {
    route,
    reject: null,
    readings: decoded.readings.map(({ device, timeUs, metrics }) => ({
      device,
      time: new Date(Math.floor(timeUs / 1000)).toISOString(),
      metrics: [...metrics].map(([metric, value]) => ({
        ...{ metric, value },
        unit: metricUnit(metric, Math.abs(value)) ?? null,
      })),
    })),
    ...{ dropped: [...dropped], ambiguous: [...ambiguous] },
    hint: place === undefined ? null : `${place} looks like a time and is not used: time.path`,
  };
}

function nameOf(router: Router, topic: string): string | null {
  const index = router.routeOf(topic);
  return typeof index === 'number' ? (router.watchedRoutes[index]?.name ?? null) : null;
}

/** A route that was sent. It may not name a file: a client could read any file of the daemon with it. */
function routeOf(given: Readonly<Record<string, unknown>>): RouteConfig {
  const { data, error } = routesSchema.safeParse([given]);
  if (data === undefined)
    throw invalid(
      error.issues.map(({ path, message }) => `${path.slice(1).join('.') || 'route'}: ${message}`).join('; '),
    );
  const [route] = data;
  if (route === undefined) throw invalid('there is none');
  if (route.proto !== undefined && !isSchemaText(route.proto))
    throw invalid('proto: expected the text of the schema; a file is not read here');
  return route;
}

const invalid = (fault: string) =>
  new FieldwatchError(`the route is not valid: ${fault}`, { code: 'ROUTE_INVALID', kind: 'data' });
