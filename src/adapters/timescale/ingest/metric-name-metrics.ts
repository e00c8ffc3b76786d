import type { Logger, Metrics } from '../../../ports/metrics.ts';
import type { StorableReading } from '../../../ports/store.ts';
import type { Clock } from '../../../ports/time.ts';
import { countValues } from './copy-encoder.ts';
import type { NameRefusal } from './metric-ids.ts';

const LOG_EVERY_MS = 60_000;
const NAMED = 10;

/** Counts the values of metrics whose names were not admitted, and logs a few of them once a minute. */
export class MetricNameMetrics {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #values;
  #loggedAtMs = -Infinity;

  constructor(
    deps: { readonly clock: Clock; readonly logger: Logger; readonly metrics: Metrics },
    known: () => number,
    max: number,
  ) {
    this.#clock = deps.clock;
    this.#logger = deps.logger;
    this.#values = deps.metrics.counter(
      'fieldwatch_metric_values_dropped_total',
      'Values of metrics whose names exceed the limits of the section metrics',
      ['reason'],
    );
    const names = deps.metrics.gauge('fieldwatch_metric_names', 'Metric names known to this daemon');
    const limit = deps.metrics.gauge('fieldwatch_metric_names_limit', 'Limit of metric names');
    deps.metrics.onCollect(() => {
      names.set(known());
      limit.set(max);
    });
  }

  dropped(readings: readonly StorableReading[], denied: ReadonlyMap<string, NameRefusal>): void {
    if (denied.size === 0) return;
    const byReason = new Map<NameRefusal, Set<string>>();
    for (const [name, reason] of denied) byReason.set(reason, (byReason.get(reason) ?? new Set()).add(name));
    for (const [reason, names] of byReason) this.#values.inc(countValues(readings, names), { reason });
    const now = this.#clock.monotonicMs();
    if (now - this.#loggedAtMs < LOG_EVERY_MS) return;
    this.#loggedAtMs = now;
    const names = [...denied].slice(0, NAMED).map(([name, reason]) => ({ name, reason }));
    this.#logger.warn({ count: denied.size, names }, 'values dropped: metric names beyond the limits');
  }
}
