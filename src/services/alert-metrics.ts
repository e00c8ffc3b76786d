import type { EngineCounts } from '../core/alert/engine.ts';
import type { AlertBatch } from '../core/alert/model.ts';
import type { Series } from '../core/alert/series.ts';
import type { Counter, Metrics } from '../ports.ts';

/** The engine's figures. Counted at `adopt`, so that a batch evaluated twice counts once. */
export class AlertMetrics {
  private readonly readings: Counter;
  private readonly clamped: Counter;
  private readonly raised: Counter;
  private readonly resolved: Counter;

  constructor(metrics: Metrics, openSeries: () => Iterable<Series>) {
    this.readings = metrics.counter(
      'fieldwatch_alert_values_total',
      'Values of metrics with rules, by what became of them',
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
    const open = metrics.gauge('fieldwatch_alerts_open', 'Alerts by state', ['state']);
    metrics.onCollect(() => {
      const counts = { pending: 0, firing: 0, recovering: 0, latched: 0, flapping: 0 };
      for (const series of openSeries())
        for (const { committed } of series.cells) if (committed.kind !== 'ok') counts[committed.kind]++;
      for (const [state, count] of Object.entries(counts)) open.set(count, { state });
    });
  }

  count(counts: EngineCounts, batch: AlertBatch): void {
    for (const outcome of ['evaluated', 'held', 'late', 'duplicate', 'invalid'] as const)
      if (counts[outcome] > 0) this.readings.inc(counts[outcome], { outcome });
    if (counts.clamped > 0) this.clamped.inc(counts.clamped);
    for (const { severity } of batch.raised) this.raised.inc(1, { severity });
    for (const { event, reason } of batch.notifications)
      if (event === 'resolved') this.resolved.inc(1, { reason: reason ?? 'value' });
  }
}
