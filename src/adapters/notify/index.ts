import type { NotificationSink } from '../../ports.ts';
import type { SinkDeps } from './sink-deps.ts';
import { WebhookSink, type WebhookSinkOptions } from './webhook.ts';

/** The options of each kind of sink. A new kind is one file, one line here and one line in `createSink`. */
export interface SinkOptions {
  readonly webhook: WebhookSinkOptions;
}

export type SinkKind = keyof SinkOptions;

const MAKERS: { readonly [K in SinkKind]: (options: SinkOptions[K], deps: SinkDeps) => NotificationSink } = {
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

export type { SinkDeps } from './sink-deps.ts';
