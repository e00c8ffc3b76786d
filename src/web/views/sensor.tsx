import { useEffect, useMemo, useState } from 'preact/hooks';
import type { AlertList } from '../../api/contract/alerts.ts';
import type { Forgotten, Limit, Sensor } from '../../api/contract/sensors.ts';
import { ReadOnlyNote, useCanWrite } from '../components/account.tsx';
import { AlertActions } from '../components/alert-actions.tsx';
import { AlertMarks, AlertMessage } from '../components/alert-parts.tsx';
import { SensorStateBadge, SeverityBadge } from '../components/badge.tsx';
import { Card, Figure } from '../components/card.tsx';
import { Dialog } from '../components/dialog.tsx';
import { Link } from '../components/link.tsx';
import { Empty, Loading, Notice, ProblemNotice } from '../components/notice.tsx';
import { patternOf } from '../components/pattern.ts';
import { RangeBar } from '../components/range-bar.tsx';
import { SilenceDialog } from '../components/silence-dialog.tsx';
import { TableHead } from '../components/table-head.tsx';
import { Foreign, Name } from '../components/text.tsx';
import { Ago, At, Lasting } from '../components/time.tsx';
import { usePage } from '../context.ts';
import { durationText } from '../format/duration.ts';
import { counted, formatValue, valueText } from '../format/number.ts';
import { metricName, unitMeaning } from '../format/unit.ts';
import { visible } from '../format/visible.ts';
import { useResource, useWidth } from '../hooks.ts';
import { csvOf } from '../plot/csv.ts';
import type { PlotEpisode, PlotLimit } from '../plot/options.ts';
import { Plot } from '../plot/plot.tsx';
import { DEFAULT_PRESET, type Range, queryOf, rangeOf } from '../plot/ranges.ts';
import type { Route } from '../router.ts';
import { sensorPath, useReadings } from './sensor-readings.ts';
import { withLatest } from './sensors.tsx';

export function SensorView({ query }: { readonly query: Route['query'] }) {
  const key = query['key'];
  return key === undefined ? (
    <Empty title="Which sensor?">
      <Link view="sensors">Sensors</Link>
    </Empty>
  ) : (
    <OneSensor key={key} sensorKey={key} query={query} />
  );
}

function OneSensor({ sensorKey, query }: { readonly sensorKey: string; readonly query: Route['query'] }) {
  const { daemon } = usePage();
  useEffect(() => daemon.watch(sensorKey), [sensorKey]);
  const { data, problem, reload } = useResource<Sensor>(
    sensorPath(sensorKey),
    {},
    { on: ['alert'], everyS: 10 },
  );
  if (data === undefined)
    return (
      <div class="view">
        <h1>
          <Name text={sensorKey} />
        </h1>
        {problem === undefined ? (
          <Loading what="the sensor" />
        ) : (
          <ProblemNotice problem={problem} onRetry={reload} />
        )}
      </div>
    );
  return <KnownSensor sensor={data} query={query} onChanged={reload} />;
}

/** The newest values, as they come. */
function useLatest(sensor: Sensor): Pick<Sensor, 'latest' | 'lastSeen'> {
  const { daemon } = usePage();
  const [news, setNews] = useState<Pick<Sensor, 'latest' | 'lastSeen'>>({ latest: [], lastSeen: null });
  useEffect(
    () =>
      daemon.bus.on('sensor', (event) => {
        if (event.key === sensor.key)
          setNews((before) => ({
            latest: withLatest(before.latest, event.latest),
            lastSeen: event.lastSeen ?? before.lastSeen,
          }));
      }),
    [sensor.key],
  );
  return { latest: withLatest(sensor.latest, news.latest), lastSeen: news.lastSeen ?? sensor.lastSeen };
}

/** As many plots as one looks at without having asked for them. */
const PLOTTED = 3;

function KnownSensor({
  sensor,
  query,
  onChanged,
}: {
  readonly sensor: Sensor;
  readonly query: Route['query'];
  readonly onChanged: () => void;
}) {
  const { navigation } = usePage();
  const canWrite = useCanWrite();
  const [dialog, setDialog] = useState<'silence' | 'forget'>();
  const { latest, lastSeen } = useLatest(sensor);
  const names = latest.map(({ metric }) => metric);
  const chosen = query['metrics']?.split(',').filter((metric) => metric !== '') ?? names.slice(0, PLOTTED);
  const toggle = (metric: string): void => {
    const next = chosen.includes(metric) ? chosen.filter((one) => one !== metric) : [...chosen, metric];
    navigation.change({
      metrics: next.length === 0 ? ',' : names.filter((name) => next.includes(name)).join(','),
    });
  };
  return (
    <div class="view">
      <div class="view-head">
        <div>
          <h1>
            <Foreign text={sensor.name ?? sensor.key} />
          </h1>
          <p class="facts">
            <SensorStateBadge state={sensor.state} />
            {sensor.name === null ? null : (
              <span>
                <Name text={sensor.key} />
              </span>
            )}
            {sensor.location === null ? null : (
              <Link view="sensors" query={{ location: sensor.location }}>
                <Name text={sensor.location} />
              </Link>
            )}
            {sensor.type === null ? null : (
              <span>
                <Name text={sensor.type} />
              </span>
            )}
            {sensor.tags.map((tag) => (
              <span class="tag" key={tag}>
                <Name text={tag} most={40} />
              </span>
            ))}
            <span>
              {lastSeen === null ? (
                'has never sent'
              ) : (
                <>
                  heard <Ago at={lastSeen} />
                </>
              )}
            </span>
          </p>
        </div>
        {canWrite ? (
          <span class="buttons">
            <button type="button" class="button" onClick={() => setDialog('silence')}>
              Silence
            </button>
            <button type="button" class="button" onClick={() => setDialog('forget')}>
              Forget …
            </button>
          </span>
        ) : null}
      </div>
      {sensor.state === 'silent' ? (
        <Notice tone="warning">
          <strong>It stopped sending.</strong>
          <span>
            {lastSeen === null ? null : (
              <>
                Its last reading is of <At at={lastSeen} />.{' '}
              </>
            )}
            Look at its battery, its power and its radio; when it sends again, this goes away by itself.
          </span>
        </Notice>
      ) : null}
      <div class="tiles latest" data-list="latest">
        {latest.map((one) => {
          const { number, unit } = formatValue(one.value, { metric: one.metric, unit: one.unit });
          return (
            <Figure
              key={one.metric}
              label={visible(metricName(one.metric))}
              value={number}
              unit={unit}
              note={
                <label class="check small">
                  <input
                    type="checkbox"
                    checked={chosen.includes(one.metric)}
                    onChange={() => toggle(one.metric)}
                  />
                  <span>
                    Plot<span class="unseen"> {visible(metricName(one.metric))}</span>
                    {unitMeaning(unit) === undefined ? null : (
                      <span class="unseen">, {unitMeaning(unit)}</span>
                    )}
                  </span>
                </label>
              }
            />
          );
        })}
      </div>
      <Plots sensor={sensor} metrics={chosen} query={query} />
      <div class="columns">
        <OwnAlerts sensor={sensor} onDone={onChanged} />
        <Limits sensor={sensor} />
      </div>
      <Facts sensor={sensor} />
      {dialog === 'silence' ? (
        <SilenceDialog
          matchers={{ sensor: patternOf(sensor.key) }}
          onClose={() => setDialog(undefined)}
          onDone={onChanged}
        />
      ) : null}
      {dialog === 'forget' ? <ForgetDialog sensor={sensor} onClose={() => setDialog(undefined)} /> : null}
    </div>
  );
}

function Plots({
  sensor,
  metrics,
  query,
}: {
  readonly sensor: Sensor;
  readonly metrics: readonly string[];
  readonly query: Route['query'];
}) {
  const { navigation } = usePage();
  const range = rangeOf(query);
  const [measure, width] = useWidth<HTMLElement>();
  const { readings, fromMs, toMs, problem, loading, reload } = useReadings(sensor.key, metrics, range, width);
  const episodes = useEpisodes(sensor, range, fromMs, toMs);
  const setRange = (next: Range): void => navigation.change(queryOf(next));
  const reset = (): void => setRange({ kind: 'last', seconds: DEFAULT_PRESET.seconds });
  const shown = readings?.metrics.filter(({ metric }) => metrics.includes(metric)) ?? [];
  const limits = useMemo(
    () => new Map(metrics.map((metric) => [metric, drawn(sensor.limits, metric)])),
    [sensor.limits, metrics.join('\n')],
  );
  const download = (): void => {
    if (readings !== undefined)
      save(csvOf(readings), `${sensor.key.replace(/[^\w.-]+/g, '_').slice(0, 80)}.csv`);
  };
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
      <p class="plot-foot soft small">
        <span>
          {readings === undefined ? 'Loading …' : resolutionText(readings.stepS, readings.source)} Drag over a
          plot to zoom in; a double click goes back. Dashed lines are limits, shaded times are alerts, breaks
          are times without readings.
        </span>
        <button type="button" class="button small" disabled={shown.length === 0} onClick={download}>
          Save as CSV
        </button>
      </p>
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
    .filter((limit) => limit.metric === metric && ['threshold', 'mean'].includes(limit.kind))
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

function save(text: string, name: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: 'text/csv' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

function OwnAlerts({ sensor, onDone }: { readonly sensor: Sensor; readonly onDone: () => void }) {
  const { data, problem, reload } = useResource<AlertList>(
    'alerts',
    { state: 'resolved', sensor: sensor.key, from: '30d', limit: 10 },
    { on: ['alert'] },
  );
  const items = [...sensor.alerts, ...(data?.items ?? [])];
  return (
    <Card title="Alerts" note="Open ones, and the newest of the last 30 days" flush>
      {problem === undefined ? null : (
        <div class="card-body">
          <ProblemNotice problem={problem} onRetry={reload} />
        </div>
      )}
      {items.length === 0 ? (
        <Empty title="No alerts.">Nothing of this sensor was beyond a limit.</Empty>
      ) : (
        <ul class="alert-list" data-list="own">
          {items.map((alert) => (
            <li key={`${alert.alertId ?? alert.alertType} ${alert.time}`}>
              <span class="alert-line">
                <SeverityBadge severity={alert.severity} />
                <AlertMarks alert={alert} />
                <span class="soft small">
                  <At at={alert.startedAt ?? alert.time} />, for{' '}
                  <Lasting from={alert.startedAt ?? alert.time} to={alert.resolvedAt} />
                </span>
              </span>
              <span class="break">
                <AlertMessage alert={alert} />
              </span>
              <AlertActions alert={alert} onDone={onDone} />
            </li>
          ))}
        </ul>
      )}
      <div class="card-foot">
        <ReadOnlyNote what="To acknowledge, silence or forget" />
      </div>
    </Card>
  );
}

const KINDS: Readonly<Record<string, string>> = {
  threshold: 'value',
  rate: 'change',
  anomaly: 'deviation from what is usual',
  mean: 'mean',
  spread: 'spread',
  no_data: 'silence',
  offline: 'silence',
};

function limitText({ kind, side, bound, boundUnit, metric }: Limit): string {
  const what = KINDS[kind] ?? kind;
  if (boundUnit === 's') return `${what} longer than ${durationText(bound)}`;
  const direction = side === 'low' ? 'below' : side === 'both' ? 'beyond ±' : 'above';
  return `${what} ${direction} ${valueText(bound, { metric, unit: boundUnit })}`;
}

function conditionsOf({ forS, keepFiringForS, hysteresis, latch, metric, boundUnit }: Limit): string {
  return [
    forS > 0 ? `for ${durationText(forS)} before it fires` : '',
    hysteresis > 0 ? `clears ${valueText(hysteresis, { metric, unit: boundUnit })} inside` : '',
    keepFiringForS > 0 ? `stays for ${durationText(keepFiringForS)} after` : '',
    latch ? 'stays until it is acknowledged' : '',
  ]
    .filter((part) => part !== '')
    .join(', ');
}

function Limits({ sensor }: { readonly sensor: Sensor }) {
  return (
    <Card title="Limits in effect" note="When this sensor raises an alert" flush>
      {sensor.limits.length === 0 ? (
        <Empty title="No limits.">
          Nothing of this sensor raises an alert. Limits are set under <code>alerts</code> in the
          configuration.
        </Empty>
      ) : (
        <table class="table stacking" data-list="limits">
          <TableHead columns={['Severity', 'Metric', 'Fires at', 'From']} />
          <tbody>
            {sensor.limits.map((limit) => (
              <tr key={`${limit.alertType} ${limit.severity} ${limit.bound} ${limit.kind}`}>
                <td data-label="Severity">
                  <SeverityBadge severity={limit.severity} />
                </td>
                <td data-label="Metric">
                  {limit.metric === '' ? 'Sensor' : <Name text={metricName(limit.metric)} most={30} />}
                </td>
                <td data-label="Fires at">
                  {limitText(limit)}
                  <div class="soft small">{conditionsOf(limit)}</div>
                  {limit.runbook === null ? null : (
                    <div class="small break">
                      <Foreign text={limit.runbook} />
                    </div>
                  )}
                </td>
                <td data-label="From" class="soft small break">
                  {limit.from}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Card>
  );
}

function Facts({ sensor }: { readonly sensor: Sensor }) {
  return (
    <Card title="About this sensor">
      <dl class="pairs">
        <dt>Key</dt>
        <dd>
          <Foreign text={sensor.key} />
        </dd>
        {sensor.aliases.length === 0 ? null : (
          <>
            <dt>Former keys</dt>
            <dd>
              <Foreign text={sensor.aliases.join(', ')} />
            </dd>
          </>
        )}
        <dt>Registered</dt>
        <dd>
          <At at={sensor.createdAt} /> ({sensor.declared ? 'from the configuration' : 'by its first reading'})
        </dd>
        <dt>Oldest reading kept</dt>
        <dd>{sensor.firstSeen === null ? 'none' : <At at={sensor.firstSeen} />}</dd>
        <dt>Newest reading</dt>
        <dd>{sensor.lastSeen === null ? 'none' : <At at={sensor.lastSeen} />}</dd>
      </dl>
    </Card>
  );
}

function ForgetDialog({ sensor, onClose }: { readonly sensor: Sensor; readonly onClose: () => void }) {
  const { daemon, navigation, toasts, kept } = usePage();
  const [would, setWould] = useState<Forgotten>();
  const path = `${sensorPath(sensor.key)}/forget`;
  useEffect(() => {
    daemon.client.post<Forgotten>(path, { dryRun: true }).then(setWould, () => {});
  }, []);
  const submit = async (): Promise<void> => {
    const { readings } = await daemon.client.post<Forgotten>(path, { dryRun: false });
    toasts.show('ok', `Forgotten, with ${counted(readings, 'reading')}.`);
    kept.delete('sensors');
    navigation.go(navigation.href('sensors'));
  };
  return (
    <Dialog title="Forget this sensor" action="Forget for ever" onSubmit={submit} onClose={onClose}>
      <p class="break">
        <Foreign text={sensor.name ?? sensor.key} />
      </p>
      <Notice tone="warning">
        <span>
          {would === undefined
            ? 'Counting what would be deleted …'
            : `Deletes ${counted(would.readings, 'reading')}, ${counted(would.values, 'further value')} and ${counted(would.alertRows, 'alert row')}. This cannot be undone.`}
        </span>
        <span>If the sensor sends again it appears again, as a new one.</span>
      </Notice>
    </Dialog>
  );
}
