import type { MetricsRegistry } from '../adapters/http/metrics.ts';
import type { CorrectableClock } from '../adapters/system/clock.ts';
import type { Config } from '../config/schema/index.ts';
import type { CleanupStack } from '../lib/cleanup-stack.ts';
import type { Logger } from '../ports/metrics.ts';

/** The dependencies that every component is built with. */
export interface Parts {
  readonly config: Config;
  readonly clock: CorrectableClock;
  readonly logger: Logger;
  readonly metrics: MetricsRegistry;
  readonly cleanup: CleanupStack;
}
