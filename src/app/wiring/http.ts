import { startHttp } from '../../adapters/http/server.ts';
import type { Context } from '../context.ts';
import { isAlive, readinessChecks } from '../health.ts';
import { openApi } from './api.ts';

/** Health, metrics and the API over HTTP. Resolves with the port; undefined where it is switched off. */
export async function openHttp(context: Omit<Context, 'httpPort'>): Promise<number | undefined> {
  const { config, clock, logger, metrics, cleanup, writer, live, clockMonitor, shared } = context;
  if (!config.http.enabled) return undefined;
  const server = await startHttp(config.http, {
    metrics,
    logger,
    readiness: readinessChecks({
      ...context,
      connectivity: () => live.connectivity,
      clockCorrectionMs: () => clockMonitor.correctionMs,
      awaited: shared && (() => shared.awaited()),
    }),
    alive: () => isAlive(writer, clock.monotonicMs()),
    rest: config.http.api ? openApi(context) : undefined,
  });
  cleanup.add('http', () => server.stop());
  return server.port;
}
