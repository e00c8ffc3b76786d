import { startHttp } from '../../adapters/http/server.ts';
import type { Parts } from '../context.ts';
import { type HealthSources, isAlive, readinessChecks } from '../health.ts';

/** Health and metrics over HTTP. Resolves with the port; undefined where it is switched off. */
export async function openHttp(
  { config, clock, logger, metrics, cleanup }: Parts,
  sources: HealthSources,
): Promise<number | undefined> {
  if (!config.http.enabled) return undefined;
  const server = await startHttp(config.http, {
    metrics,
    logger,
    readiness: readinessChecks(sources),
    alive: () => isAlive(sources.writer, clock.monotonicMs()),
  });
  cleanup.add('http', () => server.stop());
  return server.port;
}
