import { createCatalog } from '../../adapters/timescale/policy/catalog.ts';
import type { Config } from '../../config/schema/index.ts';
import { assess } from '../../core/policy/assess.ts';
import { CHECKS } from '../../core/policy/check/index.ts';
import type { Finding } from '../../core/policy/finding.ts';
import { planOf } from '../../core/policy/plan.ts';
import { connectOptions } from '../options.ts';

/** Compares the database with what is declared, on a connection of its own, and changes nothing. */
export async function verifyPolicies(
  config: Config,
  url: string,
  purpose: string,
): Promise<readonly Finding[]> {
  // With the scheduler's own short limits: a request must not block sessions that wait behind it.
  const catalog = createCatalog(connectOptions(config, url, purpose));
  try {
    return (await assess(catalog, planOf(config.policies), CHECKS)).findings;
  } finally {
    await catalog.close();
  }
}
