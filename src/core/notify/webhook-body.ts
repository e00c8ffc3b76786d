import type { Millis } from '../reading.ts';
import { type Delivery, type OutgoingNotification, statusOf } from './delivery.ts';
import { type LabelSet, annotationsOf, commonOf, fingerprintOf, labelsOf } from './labels.ts';
import type { TextContext } from './text/sentence.ts';

export interface WebhookAlert {
  readonly status: 'firing' | 'resolved';
  readonly labels: LabelSet;
  readonly annotations: LabelSet;
  readonly startsAt: string;
  readonly endsAt: string;
  readonly generatorURL: string;
  readonly fingerprint: string;
}

/** Version 4 of Alertmanager's webhook, which many receivers understand. */
export interface WebhookBody {
  readonly receiver: string;
  readonly status: 'firing' | 'resolved';
  readonly alerts: readonly WebhookAlert[];
  readonly groupLabels: LabelSet;
  readonly commonLabels: LabelSet;
  readonly commonAnnotations: LabelSet;
  readonly externalURL: string;
  readonly version: '4';
  readonly groupKey: string;
  /** Alerts of the group that are not among `alerts`. */
  readonly truncatedAlerts: number;
}

export interface WebhookOptions {
  readonly receiver: string;
  readonly externalUrl: string;
  readonly labels: LabelSet;
  readonly context: TextContext;
}

/** Go's zero time: the alert has no end yet. */
const NO_END = '0001-01-01T00:00:00Z';

export function webhookBody({ notifications, total, group }: Delivery, options: WebhookOptions): WebhookBody {
  const alerts = notifications.map((each) => alertOf(each, options));
  const commonLabels = commonOf(alerts.map(({ labels }) => labels));
  const { alertname = '' } = commonLabels;
  const { alert_type: type, ...others } = group ?? { alert_type: alertname };
  const groupLabels = type === undefined ? others : { alertname: type, ...others };
  return {
    receiver: options.receiver,
    status: alerts.some(({ status }) => status === 'firing') ? 'firing' : 'resolved',
    alerts,
    groupLabels,
    commonLabels,
    commonAnnotations: commonOf(alerts.map(({ annotations }) => annotations)),
    externalURL: options.externalUrl,
    version: '4',
    groupKey: `{}:{${Object.entries(groupLabels)
      .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
      .join(', ')}}`,
    truncatedAlerts: total - alerts.length,
  };
}

function alertOf(
  notification: OutgoingNotification,
  { labels, externalUrl, context }: WebhookOptions,
): WebhookAlert {
  const own = labelsOf(notification, labels);
  const status = statusOf(notification);
  return {
    status,
    labels: own,
    annotations: annotationsOf(notification, context),
    startsAt: firedAt(notification),
    endsAt: status === 'resolved' ? rfc3339(notification.eventTimeMs) : NO_END,
    generatorURL: externalUrl,
    fingerprint: fingerprintOf(own),
  };
}

/** When the episode fired, the same in all its notifications; for older rows its start. */
export const firedAt = ({ firedAtMs, startedAtMs }: OutgoingNotification): string =>
  rfc3339(firedAtMs ?? startedAtMs);

export const rfc3339 = (ms: Millis): string => new Date(ms).toISOString();
