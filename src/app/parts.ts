import type { MetricsRegistry } from '../adapters/metrics.ts';
import type { Config } from '../config/index.ts';
import type { Clock, Logger } from '../ports.ts';
import type { Releasers } from '../releasers.ts';

/** What every part of the house is made with. */
export interface Parts {
  readonly config: Config;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MetricsRegistry;
  readonly releasers: Releasers;
}
