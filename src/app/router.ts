import { inflate } from '../adapters/zlib/inflate.ts';
import type { Config } from '../config/index.ts';
import { keptBy, withoutExpired } from '../core/policy/kept.ts';
import { planOf } from '../core/policy/plan.ts';
import { compileRoutes, type Router } from '../core/route.ts';

/** `before`: the router in force, whose Sparkplug births are still good. */
export function routerOf(config: Config, before?: Router): Router {
  const { routes, limits, time_window: timeWindow } = config;
  return withoutExpired(
    compileRoutes(routes, { limits, timeWindow, inflate }, before),
    keptBy(planOf(config.policies)),
  );
}
