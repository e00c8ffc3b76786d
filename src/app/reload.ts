import { diffReloadable } from '../config/reload.ts';
import type { Config } from '../config/schema/index.ts';
import { RuleSet } from '../core/alert/rules/rule-set.ts';
import { FieldwatchError } from '../core/errors.ts';
import { planOf } from '../core/policy/plan.ts';
import type { Context } from './context.ts';
import { declaredSensors, registryOptions, sharedFilters } from './options.ts';
import { applyRules } from './wiring/alert.ts';
import { routerOf } from './wiring/ingest.ts';
import { notifySetup, sinkDepsOf, warnOfEcho } from './wiring/notify.ts';

export interface Reloaded {
  /** Sections that took effect. */
  readonly applied: readonly string[];
  /** Keys that wait for the next start. */
  readonly needsRestart: readonly string[];
}

/** Applies routes, sensors, rules and policies; the connection and messages in flight are unaffected. */
export async function reload(context: Context, next: Config): Promise<Reloaded> {
  const { live, start, database, registry, alertManager, dispatcher, writer, logger } = context;
  if (!start.done) throw notStarted();
  const { reloadable, needsRestart } = diffReloadable(live.config, next);
  const changed = new Set<string>(reloadable);
  // All steps that can fail come first: a reload is applied whole or not at all.
  const router = routerOf(next, live.router);
  const rules = new RuleSet(next.alerts);
  const plan = planOf(next.policies);
  const renewHttp = context.http?.reread();
  if (changed.has('sensors')) {
    await database.directory.declare(declaredSensors(next));
    registry.reconfigure(registryOptions(next));
  }
  await registry.load();
  const expected = await alertManager.expectedBy(rules, [...registry.all()]);
  await applyRules(rules, registry, alertManager, writer, expected);
  warnOfEcho(next, router.filters, logger);
  if (changed.has('notify')) await context.buttons.reconfigure(next);
  if (changed.has('notify'))
    await dispatcher.reconfigure(notifySetup(next, sinkDepsOf({ ...context, config: next })));
  context.ingest.reroute(router);
  live.router = router;
  context.watchedRoutes.reroute(router);
  await context.source.resubscribe(sharedFilters(next, router.filters));
  renewHttp?.();
  context.scheduler?.replan(plan);
  context.lateRefresh?.replan(plan);
  live.config = { ...live.config, ...pick(next, reloadable) };
  return { applied: reloadable, needsRestart };
}

/** New rules are reconciled with the alert state, which has not been read yet. */
const notStarted = () =>
  new FieldwatchError('the database has been away since the start', {
    code: 'STARTED_WITHOUT_DATABASE',
    kind: 'transient',
    remedy: 'Reload again once the database is back, or restart: the start reads the new configuration.',
  });

function pick(config: Config, keys: readonly (keyof Config)[]): Partial<Config> {
  return Object.fromEntries(keys.map((key) => [key, config[key]]));
}
