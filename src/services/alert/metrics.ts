import { FloodWatch } from '../../core/alert/engine/flood.ts';
import type { Series } from '../../core/alert/engine/series.ts';
import type { EngineCounts } from '../../core/alert/engine/working-set.ts';
import type { AlertBatch } from '../../core/alert/model.ts';
import type { Counter, Histogram, Metrics } from '../../ports/metrics.ts';
import type { Clock } from '../../ports/time.ts';

const STALE_MS = 24 * 3_600_000;
/** From a minute to a week. */
const CLEAR_SECONDS = [60, 300, 900, 3600, 14_400, 86_400, 604_800];

/** The metrics of the engine. Counted at `commit`, so that a batch evaluated twice counts once. */
export class AlertMetrics {
  private readonly readings: Counter;
  private readonly clamped: Counter;
  private readonly raised: Counter;
  private readonly resolved: Counter;
  private readonly clearing: Histogram;
  private readonly clock: Clock;
  private readonly flood = new FloodWatch();

  constructor(metrics: Metrics, clock: Clock, openSeries: () => Iterable<Series>) {
    this.clock = clock;
    this.readings = metrics.counter(
      'fieldwatch_alert_values_total',
      'Values of metrics with rules, by outcome',
      ['outcome'],
    );
    this.clamped = metrics.counter(
      'fieldwatch_alert_future_readings_total',
      'Readings with a time in the future, evaluated at the time they arrived',
    );
    this.raised = metrics.counter('fieldwatch_alerts_raised_total', 'Alert rows: firings and escalations', [
      'severity',
    ]);
    this.resolved = metrics.counter('fieldwatch_alerts_resolved_total', 'Resolved episodes', ['reason']);
    this.clearing = metrics.histogram(
      'fieldwatch_alert_clear_seconds',
      'Time from the start of an episode to its end',
      CLEAR_SECONDS,
    );
    const open = metrics.gauge('fieldwatch_alerts_open', 'Alerts by state', ['state']);
    const stale = metrics.gauge('fieldwatch_alerts_stale', 'Alerts open for more than 24 hours');
    const recent = metrics.gauge('fieldwatch_alerts_fired_10m', 'Episodes that fired in the last 10 minutes');
    const flood = metrics.gauge(
      'fieldwatch_alert_flood',
      '1 from more than 10 episodes in 10 minutes until there are fewer than 5',
    );
    metrics.onCollect(() => {
      const counts = { pending: 0, firing: 0, recovering: 0, latched: 0, flapping: 0 };
      let old = 0;
      const oldUs = (clock.nowMs() - STALE_MS) * 1000;
      for (const series of openSeries())
        for (const { committed } of series.instances) {
          if (committed.kind !== 'ok') counts[committed.kind]++;
          if ('episode' in committed && committed.episode.startedAtUs < oldUs) old++;
        }
      stale.set(old);
      this.flood.passTo(clock.nowMs());
      recent.set(this.flood.count);
      flood.set(this.flood.open === undefined ? 0 : 1);
      for (const [state, count] of Object.entries(counts)) open.set(count, { state });
    });
  }

  count(counts: EngineCounts, batch: AlertBatch): void {
    for (const outcome of ['evaluated', 'held', 'late', 'duplicate', 'invalid'] as const)
      if (counts[outcome] > 0) this.readings.inc(counts[outcome], { outcome });
    if (counts.clamped > 0) this.clamped.inc(counts.clamped);
    for (const { severity } of batch.raised) this.raised.inc(1, { severity });
    for (const { event, reason, suppressed, durationS } of batch.notifications) {
      if (event === 'resolved') this.resolved.inc(1, { reason: reason ?? 'value' });
      if (durationS !== null) this.clearing.observe(durationS);
      // Historical episodes are no flood: they notify nothing.
      if (event === 'firing' && suppressed !== 'backfill') this.flood.fired(this.clock.nowMs());
    }
  }
}
