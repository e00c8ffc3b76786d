import { createMqttSource } from '../adapters/mqtt/source.ts';
import type { Publish } from '../adapters/notify/index.ts';
import { messageOf } from '../core/errors.ts';
import type { Router } from '../core/route.ts';
import type { Connectivity, MessageSource } from '../ports.ts';
import type { ArrivalClocks } from '../services/arrival-clocks.ts';
import type { BatchWriter } from '../services/batch-writer.ts';
import type { DeadLetterBudget } from '../services/dead-letter-budget.ts';
import { Foreseeing, type ForeseeingDeps } from '../services/foreseeing.ts';
import { Holdup, type HoldupDeps } from '../services/holdup.ts';
import { Ingest } from '../services/ingest.ts';
import type { IntakeLedger } from '../services/intake-ledger.ts';
import type { SensorRegistry } from '../services/sensor-registry.ts';
import { ingestOptions, mqttOptions } from './options.ts';
import type { Parts } from './parts.ts';

export interface IntakeParts extends Parts {
  /** Stands between the broker and the intake. */
  readonly wrap: ((source: MessageSource) => MessageSource) | undefined;
}

export interface IntakeEnds {
  readonly url: string;
  readonly router: Router;
  readonly registry: SensorRegistry;
  /** Who foresees alerts, and watches silence. */
  readonly alerting: ForeseeingDeps['alerting'] & HoldupDeps['alerting'];
  readonly writer: BatchWriter;
  readonly ledger: IntakeLedger;
  readonly deadLetters: DeadLetterBudget;
  readonly arrivalClocks: ArrivalClocks | undefined;
}

/** The way from the broker to the writer: released first, so that what is held is stored and acknowledged. */
export async function startIntake(
  parts: IntakeParts,
  { url, router, registry, alerting, writer, ledger, deadLetters, arrivalClocks }: IntakeEnds,
  onConnectivity: (connectivity: Connectivity) => void,
): Promise<{ readonly source: MessageSource; readonly ingest: Ingest; readonly publish: Publish }> {
  const { config, clock, logger, metrics, releasers } = parts;
  const mqtt = createMqttSource(mqttOptions(config, url, router.filters), {
    logger,
    metrics,
    clock,
    random: Math.random,
  });
  const source = parts.wrap?.(mqtt) ?? mqtt;
  releasers.add('mqtt', () => source.stop());
  const ingest = new Ingest(ingestOptions(config), {
    source,
    decoder: router,
    registry,
    writer,
    ledger,
    deadLetters,
    clock,
    logger,
    metrics,
    clockUnknown: arrivalClocks && (() => arrivalClocks.isUnknown),
    onConnectivity,
    publish: ({ topic, payload }) => {
      mqtt.publish(topic, payload, { qos: 0, retain: false }).catch((error: unknown) => {
        logger.warn({ topic, error: messageOf(error) }, 'what a route had to say could not be sent');
      });
    },
  });
  const foreseeing = new Foreseeing({
    ...{ alerting, registry, clock, logger },
    waiting: () => ingest.waiting,
    holds: (device) => writer.holds(device),
  });
  foreseeing.start();
  releasers.add('foreseeing', () => foreseeing.stop());
  const holdup = new Holdup({ waiting: () => ingest.waiting, alerting, clock });
  holdup.start();
  releasers.add('holdup', () => holdup.stop());
  await ingest.start();
  releasers.add('intake', () => ingest.stop(config.shutdown_deadline));
  return { source, ingest, publish: (topic, payload, options) => mqtt.publish(topic, payload, options) };
}
