import { createMqttSource } from '../../adapters/mqtt/source.ts';
import { inflate } from '../../adapters/system/inflate.ts';
import { loopLoad } from '../../adapters/system/loop-load.ts';
import type { Config } from '../../config/schema/index.ts';
import { messageOf } from '../../core/errors.ts';
import { keptBy, withoutExpired } from '../../core/ingest/retention-filter.ts';
import { type Router, compileRoutes } from '../../core/ingest/route.ts';
import { planOf } from '../../core/policy/plan.ts';
import { BackpressureMonitor } from '../../services/alert/backpressure-monitor.ts';
import { EarlyAlerter } from '../../services/alert/early-alerter.ts';
import { Ingest } from '../../services/ingest/ingest.ts';
import type { Base, Context } from '../context.ts';
import { ingestOptions, mqttOptions } from '../options.ts';

/** The connection to the broker, not opened yet. */
export function openSource(base: Base & Pick<Context, 'servers'>): Pick<Context, 'mqtt' | 'source'> {
  const { config, live, servers, wrap, logger, metrics, clock } = base;
  const mqtt = createMqttSource(mqttOptions(config, servers.mqttUrl, live.router.filters), {
    ...{ logger, metrics, clock },
    random: Math.random,
  });
  return { mqtt, source: wrap?.source?.(mqtt) ?? mqtt };
}

/** From the broker to the writer. Not started yet. */
export function createIngest(
  context: Base &
    Pick<
      Context,
      | 'mqtt'
      | 'source'
      | 'registry'
      | 'writer'
      | 'accounting'
      | 'deadLetters'
      | 'arrivalClocks'
      | 'alertManager'
      | 'shared'
    >,
): Ingest {
  const {
    config,
    live,
    mqtt,
    source,
    registry,
    writer,
    accounting,
    deadLetters,
    arrivalClocks,
    alertManager,
    shared,
  } = context;
  const { clock, logger, metrics } = context;
  return new Ingest(ingestOptions(config), {
    ...{ source, registry, writer, accounting, deadLetters, clock, logger, metrics },
    decoder: live.router,
    clockUnknown: arrivalClocks && (() => arrivalClocks.isUnknown),
    members: shared && (() => shared.receivers()),
    load: loopLoad(),
    onConnectivity: (state) => {
      live.connectivity = state;
      alertManager.onConnectivity(state);
    },
    publish: ({ topic, payload }) => {
      mqtt.publish(topic, payload, { qos: 0, retain: false }).catch((error: unknown) => {
        logger.warn({ topic, error: messageOf(error) }, 'route command not published');
      });
    },
  });
}

/** Opens the path from the broker; released first, so that held messages are stored and acknowledged. */
export async function startIngest(context: Omit<Context, 'http'>): Promise<void> {
  const { config, clock, logger, cleanup, source, ingest, writer, registry, alertManager, evaluator } =
    context;
  cleanup.add('mqtt', () => source.stop());
  const waiting = () => ingest.waiting;
  const earlyAlerter = new EarlyAlerter({
    ...{ alertManager, evaluator, registry, waiting, clock, logger },
    holds: (device) => writer.holds(device),
  });
  earlyAlerter.start();
  cleanup.add('early alerter', () => earlyAlerter.stop());
  const backpressure = new BackpressureMonitor({ waiting, alertManager, clock });
  backpressure.start();
  cleanup.add('backpressure monitor', () => backpressure.stop());
  await ingest.start();
  cleanup.add('ingest', () => ingest.stop(config.shutdown_deadline));
}

/** `before`: the router in force, whose Sparkplug births stay valid. */
export function routerOf(config: Config, before?: Router): Router {
  const { routes, limits, time_window: timeWindow } = config;
  return withoutExpired(
    compileRoutes(routes, { limits, timeWindow, inflate }, before),
    keptBy(planOf(config.policies)),
  );
}
