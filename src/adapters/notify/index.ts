import type { NotificationSink } from '../../ports/notification.ts';
import { AlertmanagerSink, type AlertmanagerSinkOptions } from './alertmanager.ts';
import { MqttSink, type MqttSinkOptions } from './mqtt.ts';
import { NtfySink, type NtfySinkOptions } from './ntfy.ts';
import type { SinkDeps } from './sink-deps.ts';
import { SmtpSink, type SmtpSinkOptions } from './smtp.ts';
import { WebhookSink, type WebhookSinkOptions } from './webhook.ts';

/** The options of each kind of sink. A new kind is one file, a line here and a line in MAKERS. */
export interface SinkOptions {
  readonly alertmanager: AlertmanagerSinkOptions;
  readonly mqtt: MqttSinkOptions;
  readonly ntfy: NtfySinkOptions;
  readonly smtp: SmtpSinkOptions;
  readonly webhook: WebhookSinkOptions;
}

export type SinkKind = keyof SinkOptions;

const MAKERS: { readonly [K in SinkKind]: (options: SinkOptions[K], deps: SinkDeps) => NotificationSink } = {
  alertmanager: (options, deps) => new AlertmanagerSink(options, deps),
  mqtt: (options) => new MqttSink(options),
  ntfy: (options) => new NtfySink(options),
  smtp: (options) => new SmtpSink(options),
  webhook: (options, deps) => new WebhookSink(options, deps),
};

export const SINK_KINDS = Object.keys(MAKERS) as readonly SinkKind[];

export function createSink<K extends SinkKind>(
  kind: K,
  options: SinkOptions[K],
  deps: SinkDeps,
): NotificationSink {
  return MAKERS[kind](options, deps);
}
