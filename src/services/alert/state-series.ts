import { ALERT_STATE, STATES_LEFT_OUT } from '../../core/alert/analysis/prometheus-rules.ts';
import type { Series } from '../../core/alert/engine/series.ts';
import { SEVERITIES, type Severity } from '../../core/alert/model.ts';
import type { Micros } from '../../core/reading.ts';
import type { Labels, Metrics } from '../../ports/metrics.ts';

interface OpenAlert {
  readonly startedAtUs: Micros;
  readonly labels: Labels;
}

/**
 * Open alerts as series for Prometheus, `most` of them at a scrape: the most severe first, and of one severity the oldest, so that a
 * series stays while its alert is open. The others are counted.
 */
export function exportAlertStates(metrics: Metrics, openSeries: () => Iterable<Series>, most: number): void {
  if (most <= 0) return;
  const states = metrics.gauge(
    ALERT_STATE,
    'Open alerts: 1 for each, or the number of those with the same labels',
    ['sensor', 'type', 'severity', 'state'],
    { stored: false },
  );
  const leftOut = metrics.gauge(STATES_LEFT_OUT, `Open alerts without a series of ${ALERT_STATE}`);
  metrics.onCollect(() => {
    const open = openAlerts(openSeries());
    let room = most;
    const shown = [...SEVERITIES].reverse().flatMap((severity) => {
      const chosen = oldest(open[severity], room);
      room -= chosen.length;
      return chosen;
    });
    const total = SEVERITIES.reduce((sum, severity) => sum + open[severity].length, 0);
    leftOut.set(total - shown.length);
    states.clear();
    const counts = new Map<string, { readonly labels: Labels; count: number }>();
    for (const { labels } of shown) {
      const key = JSON.stringify(labels);
      const same = counts.get(key);
      if (same === undefined) counts.set(key, { labels, count: 1 });
      else same.count++;
    }
    for (const { labels, count } of counts.values()) states.set(count, labels);
  });
}

function openAlerts(openSeries: Iterable<Series>): Readonly<Record<Severity, readonly OpenAlert[]>> {
  const open: Record<Severity, OpenAlert[]> = { info: [], warning: [], critical: [] };
  for (const { sensor, instances } of openSeries)
    for (const { committed, condition } of instances) {
      if (!('episode' in committed)) continue;
      const { severity, startedAtUs } = committed.episode;
      const labels = { sensor: sensor.key, type: condition.alertType, severity, state: committed.kind };
      open[severity].push({ startedAtUs, labels });
    }
  return open;
}

/** Times as numbers are sorted in a tenth of the time that the alerts take: there may be 100,000. */
function oldest(alerts: readonly OpenAlert[], most: number): readonly OpenAlert[] {
  if (alerts.length <= most) return alerts;
  if (most === 0) return [];
  const times = Float64Array.from(alerts, ({ startedAtUs }) => startedAtUs).sort();
  const border = times[most - 1] ?? -Infinity;
  const before = alerts.filter(({ startedAtUs }) => startedAtUs < border);
  const at = alerts.filter(({ startedAtUs }) => startedAtUs === border);
  return [...before, ...at.slice(0, most - before.length)];
}
