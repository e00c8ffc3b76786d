import type { ComponentChildren } from 'preact';
import type { Alert } from '../../api/contract/alerts.ts';
import { AlertFigures, AlertMessage, AlertSubject } from './alert-parts.tsx';
import { SeverityBadge } from './badge.tsx';
import { Period } from './time.tsx';

/** Episodes, one below the other. */
export const AlertRows = ({
  items,
  name,
  foot,
}: {
  readonly items: readonly Alert[];
  /** Of the list, for tests. */
  readonly name: string;
  /** Below the text of a row: its marks, what can be done about it. */
  readonly foot: (alert: Alert) => ComponentChildren;
}) => (
  <ul class="alert-list" data-list={name}>
    {items.map((alert) => (
      <li key={alert.alertId ?? `${alert.sensor} ${alert.alertType}`} data-alert={alert.alertId ?? ''}>
        <span class="alert-line">
          <SeverityBadge severity={alert.severity} />
          <AlertSubject alert={alert} />
          <span class="soft small">
            <Period from={alert.startedAt ?? alert.time} to={alert.resolvedAt} />
          </span>
        </span>
        <span class="break">
          <AlertMessage alert={alert} />
          <AlertFigures alert={alert} />
        </span>
        {foot(alert)}
      </li>
    ))}
  </ul>
);
