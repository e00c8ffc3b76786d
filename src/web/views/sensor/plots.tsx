import { useMemo, useState } from 'preact/hooks';
import type { AlertList } from '../../../api/contract/alerts.ts';
import type { Limit, Sensor } from '../../../api/contract/sensors.ts';
import { Empty, ProblemNotice } from '../../components/notice.tsx';
import { RangeBar } from '../../components/range-bar.tsx';
import { usePage } from '../../context.ts';
import { durationText } from '../../format/duration.ts';
import { useResource, useWidth } from '../../hooks.ts';
import type { PlotEpisode, PlotLimit } from '../../plot/options.ts';
import { Plot } from '../../plot/plot.tsx';
import { type Range, presetFor, queryOf, rangeOf } from '../../plot/ranges.ts';
import type { Route } from '../../router.ts';
import { useReadings } from '../sensor-readings.ts';
import { SaveAs } from './save-as.tsx';

export function Plots({
  sensor,
  metrics,
  query,
}: {
  readonly sensor: Sensor;
  readonly metrics: readonly string[];
  readonly query: Route['query'];
}) {
  const { daemon, navigation } = usePage();
  // Fixed while it is shown: an axis that jumps is no help.
  const [preset] = useState(() => presetFor(sensor.firstSeen, daemon.nowMs()));
  const range = rangeOf(query, preset);
  const [measure, width] = useWidth<HTMLElement>();
  const { readings, fromMs, toMs, problem, loading, reload } = useReadings(sensor.key, metrics, range, width);
  const episodes = useEpisodes(sensor, range, fromMs, toMs);
  const setRange = (next: Range): void => navigation.change(queryOf(next));
  const reset = (): void => setRange({ kind: 'last', seconds: preset.seconds });
  const shown = readings?.metrics.filter(({ metric }) => metrics.includes(metric)) ?? [];
  const limits = useMemo(
    () => new Map(metrics.map((metric) => [metric, drawn(sensor.limits, metric)])),
    [sensor.limits, metrics.join('\n')],
  );
  return (
    <section class="stack" aria-label="Plots" ref={measure} data-loading={String(loading)}>
      <RangeBar range={range} onRange={setRange} />
      {problem === undefined ? null : <ProblemNotice problem={problem} onRetry={reload} />}
      {readings === undefined && problem === undefined
        ? metrics.map((metric) => <div class="card plot plot-space" key={metric} />)
        : null}
      {readings !== undefined && shown.length === 0 ? (
        <div class="card">
          <Empty title={metrics.length === 0 ? 'No metric is chosen.' : 'No readings in this time.'}>
            {metrics.length === 0
              ? 'Tick one above.'
              : sensor.firstSeen === null
                ? 'The sensor has not sent anything yet.'
                : 'A longer time may have some.'}
          </Empty>
        </div>
      ) : null}
      {shown.map((one) => (
        <Plot
          key={one.metric}
          metric={one.metric}
          unit={one.unit}
          source={one}
          stepMs={readings!.stepS * 1000}
          fromMs={fromMs}
          toMs={toMs}
          limits={limits.get(one.metric) ?? []}
          episodes={episodes.get(one.metric) ?? []}
          sync={`sensor ${sensor.key}`}
          onRange={setRange}
          onReset={reset}
        />
      ))}
      <div class="plot-foot soft small">
        <span>
          {readings === undefined ? 'Loading …' : resolutionText(readings.stepS, readings.source)} Drag over a
          plot to zoom in; a double click goes back. Dashed lines are limits, shaded times are alerts, breaks
          are times without readings.
        </span>
        {readings === undefined || shown.length === 0 ? null : <SaveAs readings={readings} />}
      </div>
    </section>
  );
}

function resolutionText(stepS: number, source: string): string {
  const from = source === 'raw' ? '' : ` from ${source} figures, which outlive the readings`;
  return stepS === 0
    ? 'Each point is a reading.'
    : `Each point is the mean of ${durationText(stepS)}${from}; the band is from the lowest to the highest value.`;
}

/** Limits that are values of the metric itself; a rate or a silence is no height in the plot. */
function drawn(limits: readonly Limit[], metric: string): readonly PlotLimit[] {
  return limits
    .filter((limit) => limit.metric === metric && limit.onCurve)
    .flatMap(({ bound, severity, side }) => [{ bound, severity, side }]);
}

/** When an alert of a metric was open, within what is shown. */
function useEpisodes(
  sensor: Sensor,
  range: Range,
  fromMs: number,
  toMs: number,
): ReadonlyMap<string, readonly PlotEpisode[]> {
  // A window that moves with the time asks again only for a new hundredth of it.
  const grain = Math.max(60_000, (toMs - fromMs) / 100);
  const from = new Date(Math.floor(fromMs / grain) * grain - (toMs - fromMs)).toISOString();
  const to = range.kind === 'fixed' ? new Date(toMs).toISOString() : undefined;
  const { data } = useResource<AlertList>(
    'alerts',
    { state: 'all', sensor: sensor.key, from, to, limit: 500 },
    { on: ['alert'] },
  );
  return useMemo(() => {
    const byMetric = new Map<string, PlotEpisode[]>();
    const open = sensor.alerts.filter(({ state }) => state !== 'pending');
    const known = new Map(
      [...(data?.items ?? []), ...open].map((alert) => [alert.alertId ?? alert.time, alert]),
    );
    for (const alert of known.values()) {
      if (alert.metric === null) continue;
      const list = byMetric.get(alert.metric) ?? [];
      list.push({
        fromMs: Date.parse(alert.startedAt ?? alert.time),
        toMs: alert.resolvedAt === null ? null : Date.parse(alert.resolvedAt),
        severity: alert.severity,
      });
      byMetric.set(alert.metric, list);
    }
    return byMetric;
  }, [data, sensor.alerts]);
}
