import type { DaemonView, Operations } from '../../src/api/daemon.ts';
import { configSchema } from '../../src/config/schema/index.ts';
import { withDefaults } from '../../src/config/walk.ts';
import { planOf } from '../../src/core/policy/plan.ts';

const DAY_MS = 86_400_000;

/** A daemon with which all is well, as far as its memory goes. */
export function daemonAtRest(given: Partial<DaemonView> = {}): DaemonView {
  const config = configSchema.parse(withDefaults(configSchema, {}));
  return {
    health: () => [{ name: 'mqtt', status: 'ok', detail: null }],
    isBehind: () => false,
    intake: () => ({
      ...{ perSecond: 0, received: 0, stored: 0, duplicate: 0, lateMerged: 0, conflict: 0 },
      ...{ deadLettered: 0, filtered: 0, inFlight: 0 },
    }),
    database: () => ({
      connected: true,
      since: null,
      code: null,
      detail: null,
      host: 'db:5432',
      embedded: false,
    }),
    broker: () => ({
      state: 'subscribed',
      detail: null,
      refusedFilters: 0,
      host: 'broker:1883',
      embedded: false,
    }),
    spool: () => null,
    sinks: () => [],
    silentRoutes: () => [],
    clockOffS: () => undefined,
    policies: () => undefined,
    retention: () => {
      const kept = { raw: 90 * DAY_MS, hourly: 365 * DAY_MS, daily: 1825 * DAY_MS };
      return { columns: kept, further: kept };
    },
    unitOf: () => undefined,
    alertRules: () => config.alerts,
    plan: () => planOf(config.policies),
    routes: () => ({ items: [], next: null, filters: [] }),
    config: () => undefined,
    ...given,
  };
}

const refuse = () => Promise.reject(new Error('no operations here'));

export const noOperations = (given: Partial<Operations> = {}): Operations => ({
  checkPolicies: refuse,
  forget: refuse,
  retire: refuse,
  addSilence: refuse,
  retryDeadLetter: refuse,
  startLearning: refuse,
  endLearning: refuse,
  learning: () => undefined,
  decode: () => {
    throw new Error('no operations here');
  },
  ...given,
});
