import type { Alert } from '../../api/contract/alerts.ts';
import { digitsToTell, valueText } from '../format/number.ts';
import { metricName } from '../format/unit.ts';
import { visible } from '../format/visible.ts';
import { AlertStateBadge, Badge } from './badge.tsx';
import { Link } from './link.tsx';
import { SensorName } from './sensor-name.tsx';
import { Ago, At } from './time.tsx';
import { Foreign, Name } from './text.tsx';
import { words } from '../format/words.ts';

/** Subject of an alert: a sensor, or a part of the system. */
export function AlertSubject({ alert }: { readonly alert: Alert }) {
  if (alert.system)
    return (
      <span>
        <Name text={alert.sensor} most={60} /> <span class="soft small">· system</span>
      </span>
    );
  return <SensorName sensor={alert.sensor} name={alert.name} location={alert.location} />;
}

/** `temperature_high` -> `Temperature high` */
export const alertTypeText = (type: string): string => metricName(visible(type));

/** `highest 9.4 °C, limit 8.0 °C`: how bad it became; nothing for alerts without a value. */
function extremeAgainstLimit(alert: Alert): string {
  const options = { metric: alert.metric ?? undefined, unit: alert.unit };
  const { value, peakValue, threshold } = alert;
  const extreme = peakValue ?? value;
  if (extreme === null || alert.absence) return '';
  const extraDigits = threshold === null ? 0 : digitsToTell(extreme, threshold, options);
  const text = (one: number): string => valueText(one, { ...options, extraDigits });
  const named = peakValue === null ? text(extreme) : `${alert.extreme} ${text(extreme)}`;
  return threshold === null ? named : `${named}, limit ${text(threshold)}`;
}

export function AlertMessage({ alert }: { readonly alert: Alert }) {
  const text = alert.message ?? alertTypeText(alert.alertType);
  return alert.alertId === null ? (
    <Foreign text={text} />
  ) : (
    <Link view="alert" query={{ id: alert.alertId }}>
      <Foreign text={text} />
    </Link>
  );
}

/** The figures of an alert with their units, which its sentence does not have. */
export function AlertFigures({ alert }: { readonly alert: Alert }) {
  const text = extremeAgainstLimit(alert);
  return text === '' ? null : <span class="soft small"> {text}</span>;
}

/** Why an alert is, or was, not notified. */
const SUPPRESSIONS = words<string>({
  silence: 'Silenced',
  maintenance: 'In maintenance',
  inhibition: 'Inhibited',
});

/** `route 2.1` of `notify.routes[1].routes[0]`: routes are counted from the top. */
export function routeText(place: string): string {
  const [, path] = /^notify\.routes((?:\[\d+\](?:\.routes)?)+)$/.exec(place) ?? [];
  if (path === undefined) return place.startsWith('sink ') ? 'the filters of the sink' : place;
  return `route ${[...path.matchAll(/\d+/g)].map(([index]) => Number(index) + 1).join('.')}`;
}

/** Since when it is as its sentence says: what is missed had been silent, for as long as its limit, when that was noticed. */
export function since({ startedAt, time, absence, threshold }: Alert): string {
  const started = startedAt ?? time;
  return !absence || threshold === null
    ? started
    : new Date(Date.parse(started) - threshold * 1000).toISOString();
}

/** State, and whether it is acknowledged or silenced. */
export function AlertMarks({ alert }: { readonly alert: Alert }) {
  const isOver = alert.state === 'resolved';
  const quiet = isOver ? alert.suppressed : alert.deferredBy;
  return (
    <span class="marks">
      <AlertStateBadge state={alert.state} />
      {alert.ackedAt === null ? null : (
        <Badge tone="neutral" icon="ok" title={`by ${visible(alert.ackedBy ?? 'an unknown operator')}`}>
          Seen
        </Badge>
      )}
      {quiet === null ? null : (
        <Badge
          tone="neutral"
          icon="silent"
          title={isOver ? 'It was not notified when it fired' : 'It is not notified'}
        >
          {SUPPRESSIONS.get(quiet) ?? visible(quiet)}
        </Badge>
      )}
    </span>
  );
}

/** Why an episode ended, in words. */
const REASONS = words<string>({
  value: 'the value is back inside its limit',
  data_resumed: 'readings arrive again',
  rule_changed: 'its rule was changed',
  rule_removed: 'its rule was removed',
  retired: 'it is no longer expected',
  flapping_end: 'the flapping has ended',
  manual: 'resolved by hand',
});

export const resolveReasonText = (reason: string): string => REASONS.get(reason) ?? reason;

export const Acknowledged = ({ alert }: { readonly alert: Alert }) =>
  alert.ackedAt === null ? (
    <span class="soft">{alert.resolvedAt === null ? 'not yet' : 'no'}</span>
  ) : (
    <>
      <Name text={alert.ackedBy ?? 'unknown'} />, <Ago at={alert.ackedAt} />
      {alert.ackedUntil === null ? null : (
        <>
          , until <At at={alert.ackedUntil} />
        </>
      )}
    </>
  );
