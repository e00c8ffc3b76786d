import { createMqttSource } from '../../adapters/mqtt/source.ts';
import type { Publish } from '../../sinks/sink.ts';
import { inflate } from '../../adapters/system/inflate.ts';
import type { Config } from '../../config/schema/index.ts';
import { messageOf } from '../../core/errors.ts';
import { keptBy, withoutExpired } from '../../core/ingest/retention-filter.ts';
import { type Router, compileRoutes } from '../../core/ingest/route.ts';
import { planOf } from '../../core/policy/plan.ts';
import type { Connectivity, MessageSource } from '../../ports/messages.ts';
import {
  EarlyAlerter,
  type EarlyAlerterDeps,
  BackpressureMonitor,
  type BackpressureMonitorDeps,
} from '../../services/alert/early-alerter.ts';
import type { IngestAccounting } from '../../services/ingest/accounting.ts';
import type { ArrivalClocks } from '../../services/ingest/arrival-clocks.ts';
import type { BatchWriter } from '../../services/ingest/batch-writer.ts';
import type { DeadLetterBudget } from '../../services/ingest/dead-letter-budget.ts';
import { Ingest } from '../../services/ingest/ingest.ts';
import type { SensorRegistry } from '../../services/ingest/sensor-registry.ts';
import type { Parts } from '../context.ts';
import { ingestOptions, mqttOptions } from '../options.ts';

export interface IngestParts extends Parts {
  /** Wraps the broker connection. */
  readonly wrap: ((source: MessageSource) => MessageSource) | undefined;
}

export interface IngestEnds {
  readonly url: string;
  readonly router: Router;
  readonly registry: SensorRegistry;
  /** The components that alert early, and detect silence. */
  readonly alertManager: EarlyAlerterDeps['alertManager'] & BackpressureMonitorDeps['alertManager'];
  readonly writer: BatchWriter;
  readonly accounting: IngestAccounting;
  readonly deadLetters: DeadLetterBudget;
  readonly arrivalClocks: ArrivalClocks | undefined;
}

/** The path from the broker to the writer: released first, so that held messages are stored and acknowledged. */
export async function startIngest(
  parts: IngestParts,
  { url, router, registry, alertManager, writer, accounting, deadLetters, arrivalClocks }: IngestEnds,
  onConnectivity: (connectivity: Connectivity) => void,
): Promise<{ readonly source: MessageSource; readonly ingest: Ingest; readonly publish: Publish }> {
  const { config, clock, logger, metrics, cleanup } = parts;
  const mqtt = createMqttSource(mqttOptions(config, url, router.filters), {
    logger,
    metrics,
    clock,
    random: Math.random,
  });
  const source = parts.wrap?.(mqtt) ?? mqtt;
  cleanup.add('mqtt', () => source.stop());
  const ingest = new Ingest(ingestOptions(config), {
    source,
    decoder: router,
    registry,
    writer,
    accounting,
    deadLetters,
    clock,
    logger,
    metrics,
    clockUnknown: arrivalClocks && (() => arrivalClocks.isUnknown),
    onConnectivity,
    publish: ({ topic, payload }) => {
      mqtt.publish(topic, payload, { qos: 0, retain: false }).catch((error: unknown) => {
        logger.warn({ topic, error: messageOf(error) }, 'route command not published');
      });
    },
  });
  const earlyAlerter = new EarlyAlerter({
    ...{ alertManager, registry, clock, logger },
    waiting: () => ingest.waiting,
    holds: (device) => writer.holds(device),
  });
  earlyAlerter.start();
  cleanup.add('early alerter', () => earlyAlerter.stop());
  const backpressure = new BackpressureMonitor({ waiting: () => ingest.waiting, alertManager, clock });
  backpressure.start();
  cleanup.add('backpressure monitor', () => backpressure.stop());
  await ingest.start();
  cleanup.add('ingest', () => ingest.stop(config.shutdown_deadline));
  return { source, ingest, publish: (topic, payload, options) => mqtt.publish(topic, payload, options) };
}

/** `before`: the router in force, whose Sparkplug births stay valid. */
export function routerOf(config: Config, before?: Router): Router {
  const { routes, limits, time_window: timeWindow } = config;
  return withoutExpired(
    compileRoutes(routes, { limits, timeWindow, inflate }, before),
    keptBy(planOf(config.policies)),
  );
}
