import type { ComponentChildren } from 'preact';
import type { Alert } from '../../api/contract/alerts.ts';
import { AlertFigures, AlertMessage, AlertSubject, since } from './alert-parts.tsx';
import { SeverityBadge } from './badge.tsx';
import { Period } from './time.tsx';

const subjectOf = (alert: Alert): ComponentChildren => <AlertSubject alert={alert} />;

/** A pending one has no id yet. */
const keyOf = ({ alertId, sensor, alertType, time }: Alert): string =>
  `${alertId ?? `${sensor} ${alertType}`} ${time}`;

/** Episodes, one below the other. */
export const AlertRows = ({
  items,
  name,
  label,
  head = subjectOf,
  foot,
}: {
  readonly items: readonly Alert[];
  /** Name of the list, for tests. */
  readonly name: string;
  /** Where no heading stands above it. */
  readonly label?: string;
  /** Between severity and time; without it: whose alert it is. */
  readonly head?: (alert: Alert) => ComponentChildren;
  /** Below the text of a row: its marks, what can be done about it. */
  readonly foot?: (alert: Alert) => ComponentChildren;
}) => (
  <ul class="alert-list" data-list={name} aria-label={label}>
    {items.map((alert) => (
      <li key={keyOf(alert)} data-alert={alert.alertId ?? ''}>
        <span class="alert-line">
          <SeverityBadge severity={alert.severity} />
          {head(alert)}
          <span class="soft small">
            <Period from={since(alert)} to={alert.resolvedAt} />
          </span>
        </span>
        <span class="break">
          <AlertMessage alert={alert} />
          <AlertFigures alert={alert} />
        </span>
        {foot?.(alert)}
      </li>
    ))}
  </ul>
);
