import type { Alert, AlertList } from '../../../api/contract/alerts.ts';
import type { Sensor } from '../../../api/contract/sensors.ts';
import { ReadOnlyNote } from '../../components/account.tsx';
import { AlertActions } from '../../components/alert-actions.tsx';
import { AlertFigures, AlertMarks, AlertMessage } from '../../components/alert-parts.tsx';
import { SeverityBadge } from '../../components/badge.tsx';
import { Card } from '../../components/card.tsx';
import { Link } from '../../components/link.tsx';
import { Empty, ProblemNotice } from '../../components/notice.tsx';
import { Period } from '../../components/time.tsx';
import { usePage } from '../../context.ts';
import { type Resource, useResource } from '../../hooks.ts';

const DAY_MS = 86_400_000;
const MOST_RECENT = 3;

/** Those of the last 30 days that are over. */
export const useResolved = (sensor: string): Resource<AlertList> =>
  useResource<AlertList>('alerts', { state: 'resolved', sensor, from: '30d', limit: 10 }, { on: ['alert'] });

const keyOf = ({ alertId, alertType, time }: Alert): string => `${alertId ?? alertType} ${time}`;

/** What is open or was within the last day, above the plots: what most who open a sensor want to know. */
export function RecentAlerts({
  sensor,
  resolved,
}: {
  readonly sensor: Sensor;
  readonly resolved: AlertList | undefined;
}) {
  const { daemon } = usePage();
  const since = daemon.nowMs() - DAY_MS;
  const recent = (resolved?.items ?? []).filter(({ resolvedAt }) => Date.parse(resolvedAt ?? '') > since);
  const items = [...sensor.alerts, ...recent].slice(0, MOST_RECENT);
  if (items.length === 0) return null;
  return (
    <ul class="recent" data-list="recent" aria-label="Alerts of the last 24 hours">
      {items.map((alert) => (
        <li key={keyOf(alert)} class="alert-line">
          <SeverityBadge severity={alert.severity} />
          <AlertMarks alert={alert} />
          <AlertMessage alert={alert} />
          <AlertFigures alert={alert} />
          <span class="soft small">
            <Period from={alert.startedAt ?? alert.time} to={alert.resolvedAt} />
          </span>
        </li>
      ))}
    </ul>
  );
}

export function OwnAlerts({
  sensor,
  resolved: { data, problem, reload },
  onDone,
}: {
  readonly sensor: Sensor;
  readonly resolved: Resource<AlertList>;
  readonly onDone: () => void;
}) {
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
            <li key={keyOf(alert)}>
              <span class="alert-line">
                <SeverityBadge severity={alert.severity} />
                <AlertMarks alert={alert} />
                <span class="soft small">
                  <Period from={alert.startedAt ?? alert.time} to={alert.resolvedAt} />
                </span>
              </span>
              <span class="break">
                <AlertMessage alert={alert} />
                <AlertFigures alert={alert} />
              </span>
              <AlertActions alert={alert} onDone={onDone} />
            </li>
          ))}
        </ul>
      )}
      <div class="card-foot">
        {data?.next ? (
          <p>
            <Link view="alerts" query={{ tab: 'history', sensor: sensor.key, span: '365d' }}>
              All alerts of this sensor
            </Link>
          </p>
        ) : null}
        <ReadOnlyNote what="To acknowledge, silence or forget" />
      </div>
    </Card>
  );
}
