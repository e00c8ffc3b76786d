import { createSystemClock } from '../../adapters/system/clock.ts';
import { loneSink } from '../../app/wiring/test-notification.ts';
import { routeWarnings } from '../../config/notify-routes.ts';
import type { Config } from '../../config/schema/index.ts';
import { messageOf } from '../../core/errors.ts';
import { sinkError } from '../../core/notify/sink-error.ts';
import { type SinkConfig, SINKS } from '../../sinks/index.ts';
import { type Diagnosis, areaOf } from './report.ts';

const notify = areaOf('notify');
const LIMIT_MS = 5000;

/** Whether each sink accepts notifications now; none is sent. */
export async function diagnoseSinks(config: Config): Promise<readonly Diagnosis[]> {
  const routes = routeWarnings(config.notify).map((detail) =>
    notify.warning({ subject: 'routes', detail, remedy: 'see routes in docs/notifications.md' }),
  );
  return [...routes, ...(await Promise.all(config.notify.sinks.map((sink) => diagnose(config, sink))))];
}

async function diagnose(config: Config, settings: SinkConfig): Promise<Diagnosis> {
  const { name, kind } = settings;
  const { overBroker }: { readonly overBroker?: boolean } = SINKS[kind];
  if (overBroker === true) return notify.skipped(name, 'goes over the connection of the daemon: see broker');
  const sink = loneSink(config, settings, createSystemClock());
  const limitMs = Math.min(settings.timeout, LIMIT_MS);
  try {
    return notify.ok(name, `${kind}: ${await sink.probe(AbortSignal.timeout(limitMs))}`);
  } catch (error) {
    const late = error instanceof Error && error.name === 'TimeoutError';
    const failure = sinkError(error);
    const detail = `${kind}: ${late ? `no answer within ${limitMs} ms` : messageOf(failure)}`;
    return notify.fault({ subject: name, detail, remedy: failure.remedy ?? 'docs/notifications.md' });
  } finally {
    await sink.close();
  }
}
