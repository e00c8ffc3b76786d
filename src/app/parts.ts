import type { CorrectableClock } from '../adapters/clock.ts';
import type { MetricsRegistry } from '../adapters/metrics.ts';
import type { Config } from '../config/index.ts';
import type { Logger } from '../ports.ts';
import type { Releasers } from '../releasers.ts';

/** What every part of the house is made with. */
export interface Parts {
  readonly config: Config;
  readonly clock: CorrectableClock;
  readonly logger: Logger;
  readonly metrics: MetricsRegistry;
  readonly releasers: Releasers;
}
