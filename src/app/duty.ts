import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Config } from '../config/index.ts';
import type { AlertStore, DutyStore } from '../ports.ts';
import { AlertDuty } from '../services/alert-duty.ts';
import { AlertInbox } from '../services/alert-inbox.ts';
import type { Alerting } from '../services/alerting.ts';
import type { AlertEvaluator, BatchWriter } from '../services/batch-writer.ts';
import { DutyEvaluator } from '../services/duty-evaluator.ts';
import type { SensorRegistry } from '../services/sensor-registry.ts';
import { withoutWaiting } from '../services/waiting-readings.ts';
import type { Parts } from './parts.ts';

export interface DutyEnds {
  readonly store: DutyStore;
  readonly alerting: Alerting;
  readonly registry: SensorRegistry;
}

/** The alert duty of a share group, from this daemon's side. */
export interface SharedDuty {
  /** In place of the engine, for whoever writes batches. `told` lets lines go. */
  evaluator(told: AlertEvaluator): AlertEvaluator;
  /** Looks for the duty, and takes what is handed on while it is here. Resolves after the first look. */
  start(writer: BatchWriter): Promise<void>;
  /** Before time alone decides anything. */
  ready(): Promise<boolean>;
}

/** What the engine reads back. */
export function alertStoreOf({ mqtt }: Config, store: AlertStore, duty: DutyStore): AlertStore {
  return mqtt.share_group === undefined ? store : withoutWaiting(store, duty, mqtt.share_group);
}

/**
 * Undefined without a share group: then this daemon evaluates all that it receives. Made before the engine is released:
 * it gives the duty back after the last line is out.
 */
export function shareDuty(parts: Parts, { store, alerting, registry }: DutyEnds): SharedDuty | undefined {
  const { config, clock, logger, metrics, releasers } = parts;
  const { share_group: group, client_id: clientId } = config.mqtt;
  if (group === undefined) return undefined;
  let tell: AlertEvaluator = alerting;
  const owner = `${clientId} on ${hostname()} (pid ${process.pid}, ${randomUUID().slice(0, 8)})`;
  const duty = new AlertDuty(
    { group, owner },
    {
      ...{ store, alerting, clock, logger, metrics },
      tell: {
        announce: (notifications) => tell.announce(notifications),
        announceUnpersisted: (notifications) => tell.announceUnpersisted(notifications),
      },
    },
  );
  releasers.add('alert duty', () => duty.release());
  let inbox: AlertInbox | undefined;
  return {
    evaluator: (told) => {
      tell = told;
      return new DutyEvaluator({
        duty,
        engine: told,
        asksOf: (sensor, metrics) => alerting.asksOf(sensor, metrics),
      });
    },
    start: async (writer) => {
      inbox = new AlertInbox({
        ...{ duty, store, registry, clock, logger },
        engine: alerting,
        commit: (evaluate) => writer.commitCommands(evaluate),
        spooling: () => writer.spoolHealth?.keeps === true,
      });
      releasers.add('alert inbox', async () => {
        inbox?.stop();
        await duty.stop();
      });
      inbox.start();
      await duty.start();
    },
    ready: async () => (await inbox?.ready()) ?? false,
  };
}
