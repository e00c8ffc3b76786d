import type { AlertDetail, Transition } from '../../api/contract/alerts.ts';
import type { Sensor } from '../../api/contract/sensors.ts';
import { ReadOnlyNote } from '../components/account.tsx';
import { AlertActions } from '../components/alert-actions.tsx';
import {
  Acknowledged,
  AlertMarks,
  AlertSubject,
  resolveReasonText,
  routeText,
  since,
} from '../components/alert-parts.tsx';
import { SeverityBadge } from '../components/badge.tsx';
import { Card, Figure } from '../components/card.tsx';
import { Link } from '../components/link.tsx';
import { Empty, ProblemNotice } from '../components/notice.tsx';
import { TableHead } from '../components/table-head.tsx';
import { Foreign, Name } from '../components/text.tsx';
import { At, Exactly, Lasting } from '../components/time.tsx';
import { usePage } from '../context.ts';
import { durationText } from '../format/duration.ts';
import { digitsToTell, formatValue, type ValueOptions, valueText } from '../format/number.ts';
import { metricName } from '../format/unit.ts';
import { useResource, useWidth } from '../hooks.ts';
import { Plot } from '../plot/plot.tsx';
import { queryOf } from '../plot/ranges.ts';
import { type Route, textOfNames } from '../router.ts';
import { sensorPath } from '../rest/client.ts';
import { useReadings } from './sensor-readings.ts';
import { words } from '../format/words.ts';
import { NotLoaded } from '../components/loaded.tsx';

export function AlertView({ query }: { readonly query: Route['query'] }) {
  const id = query['id'];
  return id === undefined ? (
    <Empty title="Which alert?">
      <Link view="alerts">Alerts</Link>
    </Empty>
  ) : (
    <OneAlert key={id} id={id} />
  );
}

function OneAlert({ id }: { readonly id: string }) {
  const { data, problem, reload } = useResource<AlertDetail>(
    `alerts/${encodeURIComponent(id)}`,
    {},
    { on: ['alert'], everyS: 30 },
  );
  if (data === undefined)
    return (
      <div class="view">
        <h1>Alert</h1>
        <NotLoaded what="the alert" problem={problem} onRetry={reload} />
      </div>
    );
  return <KnownAlert alert={data} onDone={reload} />;
}

function KnownAlert({ alert, onDone }: { readonly alert: AlertDetail; readonly onDone: () => void }) {
  const { value, threshold } = alert;
  const named = { metric: alert.metric ?? undefined, unit: alert.unit };
  const extraDigits = value === null || threshold === null ? 0 : digitsToTell(value, threshold, named);
  const options = { ...named, extraDigits };
  return (
    <div class="view">
      <div class="view-head">
        <div class="stack tight">
          <p class="facts">
            <SeverityBadge severity={alert.severity} />
            <AlertMarks alert={alert} />
            <AlertSubject alert={alert} />
          </p>
          <h1>
            <Foreign text={alert.message ?? metricName(alert.alertType)} />
          </h1>
        </div>
        <AlertActions alert={alert} onDone={onDone} />
      </div>
      {alert.resolvedAt === null ? <ReadOnlyNote what="To acknowledge, silence or resolve" /> : null}
      <div class="tiles">
        {alert.value === null ? null : (
          <Figure
            label="Value when it fired"
            {...figureOf(alert.value, options)}
            note="The first that was beyond the limit for long enough"
          />
        )}
        {alert.threshold === null ? null : (
          <Figure label="Limit" {...figureOf(alert.threshold, options)} note="What the rule allows" />
        )}
        {alert.peakValue === null ? null : (
          <Figure
            label={alert.extreme === 'lowest' ? 'Lowest' : 'Highest'}
            {...figureOf(alert.peakValue, options)}
            note="The worst value since then"
          />
        )}
        <Figure
          label={alert.resolvedAt === null ? 'Lasts' : 'Lasted'}
          value={<Lasting from={since(alert)} to={alert.resolvedAt} />}
          note={
            <>
              {alert.resolvedAt === null ? 'since ' : 'from '}
              <Exactly at={since(alert)} />
              {alert.resolvedAt === null ? null : (
                <>
                  {' '}
                  to <Exactly at={alert.resolvedAt} />
                </>
              )}
            </>
          }
        />
      </div>
      {alert.curve === null || alert.system ? null : <Curve alert={alert} curve={alert.curve} />}
      <div class="columns">
        <Course alert={alert} />
        <div class="stack">
          <About alert={alert} />
          <Deliveries alert={alert} />
        </div>
      </div>
    </div>
  );
}

function figureOf(value: number, options: ValueOptions) {
  if (options.unit === 's') return { value: durationText(value) };
  const { number, unit } = formatValue(value, options);
  return { value: number, unit };
}

function Curve({
  alert,
  curve,
}: {
  readonly alert: AlertDetail;
  readonly curve: NonNullable<AlertDetail['curve']>;
}) {
  const { navigation } = usePage();
  const [measure, width] = useWidth<HTMLDivElement>();
  const { data: sensor } = useResource<Sensor>(sensorPath(alert.sensor));
  const range = { kind: 'fixed', fromMs: Date.parse(curve.from), toMs: Date.parse(curve.to) } as const;
  const { readings, fromMs, toMs, problem, reload } = useReadings(alert.sensor, [curve.metric], range, width);
  const shown = readings?.metrics.find(({ metric }) => metric === curve.metric);
  const limits =
    alert.threshold === null || alert.metric !== curve.metric
      ? []
      : [
          {
            bound: alert.threshold,
            severity: alert.severity,
            side: alert.extreme === 'lowest' ? ('low' as const) : ('high' as const),
          },
        ];
  const others = (sensor?.limits ?? [])
    .filter(({ metric, onCurve, bound }) => metric === curve.metric && onCurve && bound !== alert.threshold)
    .map(({ bound, severity, side }) => ({ bound, severity, side }));
  const open = (next: { kind: 'fixed'; fromMs: number; toMs: number }): void =>
    navigation.go(
      navigation.href('sensor', {
        key: alert.sensor,
        metrics: textOfNames([curve.metric]),
        ...queryOf(next),
      }),
    );
  return (
    <div ref={measure}>
      {problem === undefined ? null : <ProblemNotice problem={problem} onRetry={reload} />}
      {shown === undefined ? (
        readings === undefined ? (
          <div class="card plot plot-space" />
        ) : (
          <div class="card">
            <Empty title="No readings of this time are kept." />
          </div>
        )
      ) : (
        <Plot
          metric={shown.metric}
          unit={shown.unit}
          source={shown}
          stepMs={readings!.stepS * 1000}
          fromMs={fromMs}
          toMs={toMs}
          limits={[...limits, ...others]}
          episodes={[
            {
              fromMs: Date.parse(alert.startedAt ?? alert.time),
              toMs: alert.resolvedAt === null ? null : Date.parse(alert.resolvedAt),
              severity: alert.severity,
            },
          ]}
          sync={`alert ${alert.alertId ?? ''}`}
          onRange={(next) => {
            if (next.kind === 'fixed') open(next);
          }}
          onReset={() => open(range)}
        />
      )}
    </div>
  );
}

const EVENTS: Readonly<Record<Transition['event'], string>> = {
  started: 'First reading beyond the limit',
  firing: 'Fired',
  escalated: 'Got worse',
  deescalated: 'Got better',
  reminder: 'Reminder',
  flapping_start: 'Began to flap: it goes to and fro, and is notified once',
  flapping_end: 'Flapping ended',
  acked: 'Acknowledged',
  resolved: 'Resolved',
};

function Course({ alert }: { readonly alert: AlertDetail }) {
  const options = { metric: alert.metric ?? undefined, unit: alert.unit };
  return (
    <Card title="Course" note="From the first reading on">
      <ol class="course" data-list="transitions">
        {alert.transitions.map((one) => (
          <li key={`${one.at} ${one.event}`} class={one.event}>
            <span class="alert-line">
              <b>{EVENTS[one.event]}</b>
              {one.severity === null || one.event === 'resolved' ? null : (
                <SeverityBadge severity={one.severity} />
              )}
              {one.value === null || alert.absence ? null : <span>{valueText(one.value, options)}</span>}
              <span class="soft small">
                <Exactly at={one.at} />
              </span>
            </span>
            {one.by === null && one.comment === null ? null : (
              <span class="soft small break">
                {one.by === null ? null : (
                  <>
                    by <Name text={one.by} />
                  </>
                )}
                {one.comment ? (
                  <>
                    : <Foreign text={one.comment} />
                  </>
                ) : null}
              </span>
            )}
          </li>
        ))}
      </ol>
    </Card>
  );
}

function About({ alert }: { readonly alert: AlertDetail }) {
  return (
    <Card title="About this alert">
      <dl class="pairs">
        <dt>Type</dt>
        <dd>
          <code>{alert.alertType}</code>
        </dd>
        {alert.metric === null ? null : (
          <>
            <dt>Metric</dt>
            <dd>
              <Name text={metricName(alert.metric)} />
            </dd>
          </>
        )}
        <dt>Acknowledged</dt>
        <dd>
          <Acknowledged alert={alert} />
        </dd>
        {alert.resolvedAt === null ? null : (
          <>
            <dt>Resolved</dt>
            <dd>
              <At at={alert.resolvedAt} />
              {alert.resolveReason === null ? null : `: ${resolveReasonText(alert.resolveReason)}`}
            </dd>
          </>
        )}
        {alert.silences.map((silence) => (
          <>
            <dt>Silenced</dt>
            <dd>
              until <At at={silence.endsAt} /> by <Name text={silence.by} />:{' '}
              <Foreign text={silence.comment} />
            </dd>
          </>
        ))}
        {alert.backfilled ? (
          <>
            <dt>Late</dt>
            <dd>It was over before its readings arrived; nothing was notified.</dd>
          </>
        ) : null}
        <dt>Id</dt>
        <dd>
          <code>{alert.alertId}</code>
        </dd>
      </dl>
    </Card>
  );
}

const OUTCOMES = words<string>({
  sent: 'sent',
  collapsed: 'left out: a later one said the same',
  refused: 'refused by the sink',
  dropped: 'dropped: the queue of the sink was full',
  expired: 'too old to be sent',
  cancelled: 'not needed any more',
});

const DELIVERED = words<string>({
  firing: 'that it fired',
  escalated: 'that it got worse',
  deescalated: 'that it got better',
  reminder: 'a reminder',
  flapping_start: 'that it began to flap',
  flapping_end: 'that the flapping ended',
  resolved: 'that it is over',
});

function Deliveries({ alert }: { readonly alert: AlertDetail }) {
  return (
    <Card title="Notifications" note="Who was notified, of what" flush>
      {alert.deliveries.length === 0 ? (
        <Empty title="None.">
          {alert.suppressed === null
            ? 'No sink is configured for it; it is in the alert log and here.'
            : 'It was suppressed when it fired.'}
        </Empty>
      ) : (
        <table class="table stacking">
          <TableHead columns={['Sink', 'What', 'Queued', 'Outcome']} />
          <tbody>
            {alert.deliveries.map((one) => (
              <tr key={`${one.sink} ${one.event} ${one.queuedAt} ${one.heldUntil ?? ''}`}>
                <td data-label="Sink">
                  <Name text={one.sink} />
                  {one.route === null ? null : (
                    <span class="soft small">
                      {' '}
                      by <Name text={routeText(one.route)} />
                    </span>
                  )}
                </td>
                <td data-label="What">
                  {one.origin === 'escalation'
                    ? 'that it is not acknowledged'
                    : (DELIVERED.get(one.event) ?? one.event)}
                </td>
                <td data-label="Queued">
                  <At at={one.queuedAt} />
                </td>
                <td data-label="Outcome">
                  {one.outcome === null ? 'waits' : (OUTCOMES.get(one.outcome) ?? one.outcome)}
                  {one.heldUntil === null ? null : (
                    <span class="soft small">
                      {' '}
                      until <Exactly at={one.heldUntil} />
                    </span>
                  )}
                  {one.doneAt === null ? null : (
                    <span class="soft small">
                      {' '}
                      <Exactly at={one.doneAt} />
                    </span>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Card>
  );
}
