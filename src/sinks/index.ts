import type * as z from '../core/schema/zod.ts';
import type { NotificationSink } from '../ports/notification.ts';
import { alertmanager } from './alertmanager.ts';
import { mqtt } from './mqtt.ts';
import { ntfy } from './ntfy.ts';
import { pagerduty } from './pagerduty.ts';
import type { SinkDefinition, SinkDeps } from './sink.ts';
import { smtp } from './smtp.ts';
import { telegram } from './telegram.ts';
import { webhook } from './webhook.ts';

/** The kinds of sinks. A new kind is one file and a line here. */
export const SINKS = { alertmanager, mqtt, ntfy, pagerduty, smtp, telegram, webhook } as const;

type SinkKind = keyof typeof SINKS;

/** The parsed configuration of a sink of any kind. */
export type SinkConfig = { [Kind in SinkKind]: z.output<(typeof SINKS)[Kind]['schema']> }[SinkKind];

/** The kind of a sink, for a configuration of any kind. */
export const definitionOf = ({ kind }: Pick<SinkConfig, 'kind'>): SinkDefinition<z.ZodType<SinkConfig>> =>
  SINKS[kind];

/** The sink of a parsed configuration. */
export const createSink = (config: SinkConfig, deps: SinkDeps): NotificationSink =>
  definitionOf(config).make(config, deps);
