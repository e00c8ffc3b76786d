import { settingsOf } from '../../app/wiring/notify.ts';
import { routesOf } from '../../config/notify-routes.ts';
import type { Config } from '../../config/schema/index.ts';
import { type SinkDecision, explainRoutes } from '../../core/notify/explain-routes.ts';
import { type DeliveryRow, type EpisodeRecord, recordedRoutes } from '../../queries/alert-episodes.ts';
import type { Db } from '../../queries/db.ts';
import { pastNotifications } from '../../queries/past-notifications.ts';
import { sensorFacts } from '../../queries/sensors.ts';

/** The route of a delivery; undefined: it is not known. */
export type RouteOfDelivery = (delivery: DeliveryRow) => string | undefined;

/**
 * The route by which each delivery went to its sink, as it was recorded; what follows a firing went where that did. For episodes of earlier
 * versions, which recorded none, it is the one that leads there by the present configuration.
 */
export async function routesOfDeliveries(
  db: Db,
  config: Config,
  { rows, deliveries }: EpisodeRecord,
): Promise<RouteOfDelivery> {
  if (deliveries.some(({ route }) => route !== null)) return recordedRoutes(deliveries);
  const [row] = rows;
  const none = () => undefined;
  if (row.alertId === null || config.notify.sinks.length === 0) return none;
  const rises = (await pastNotifications(db, row.alertId)).filter(({ event }) => RISES.has(event));
  const known = row.system ? undefined : (await sensorFacts(db, { sensor: row.sensor }))[0];
  const settings = { routes: routesOf(config.notify), times: config.notify.times };
  const decisions = rises.flatMap((rise) => {
    const facts = { ...rise.facts, ...(known === undefined ? {} : factsOf(known)) };
    return explainRoutes(settings, config.notify.sinks.map(settingsOf), rise, facts, rise.eventTimeMs).sinks;
  });
  return ({ sink, step }) => {
    const isOf = (decision: SinkDecision) =>
      decision.sink === sink && (decision.decision === 'escalation') === step > 0;
    return decisions.find((decision) => isOf(decision) && decision.route !== null)?.route ?? undefined;
  };
}

const RISES: ReadonlySet<string> = new Set(['firing', 'escalated']);

const factsOf = ({
  type,
  tags,
  gateway = null,
}: {
  readonly type: string | null;
  readonly tags: readonly string[];
  readonly gateway?: string | null;
}) => ({ type, tags, gateway });
