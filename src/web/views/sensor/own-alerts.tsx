import type { Alert, AlertList } from '../../../api/contract/alerts.ts';
import type { Sensor } from '../../../api/contract/sensors.ts';
import { ReadOnlyNote } from '../../components/account.tsx';
import { AlertActions } from '../../components/alert-actions.tsx';
import { AlertMarks } from '../../components/alert-parts.tsx';
import { AlertRows } from '../../components/alert-rows.tsx';
import { Card } from '../../components/card.tsx';
import { Link } from '../../components/link.tsx';
import { Empty, ProblemNotice } from '../../components/notice.tsx';
import { usePage } from '../../context.ts';
import { type Resource, useResource } from '../../hooks.ts';

const DAY_MS = 86_400_000;
const MOST_RECENT = 3;

/** Alerts that were resolved in the last 30 days. */
export const useResolved = (sensor: string): Resource<AlertList> =>
  useResource<AlertList>('alerts', { state: 'resolved', sensor, from: '30d', limit: 10 }, { on: ['alert'] });

/** In place of the sensor, which is the one that is shown. */
const marksOf = (alert: Alert) => <AlertMarks alert={alert} />;

/** Alerts that are open or were within the last day, above the plots: most readers open a sensor for them. */
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
    <div class="card recent">
      <AlertRows items={items} name="recent" label="Alerts of the last 24 hours" head={marksOf} />
    </div>
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
        <AlertRows
          items={items}
          name="own"
          head={marksOf}
          foot={(alert) => <AlertActions alert={alert} onDone={onDone} />}
        />
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
