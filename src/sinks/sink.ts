import * as z from '../core/schema/zod.ts';
import { type AlertNotification, SEVERITIES } from '../core/alert/model.ts';
import {
  type ActionLinks,
  type Delivery,
  type OutgoingNotification,
  type RecentValues,
  type SensorFactsOf,
  statusOf,
} from '../core/notify/delivery.ts';
import { LANGUAGE_NAMES, type LanguageName, LANGUAGES } from '../core/notify/text/languages.ts';
import { isOfSystem, type TextContext } from '../core/notify/text/sentence.ts';
import { backoff, duration } from '../core/schema/common.ts';
import { groupingFields } from '../core/notify/grouping-fields.ts';
import { section, text, timezone, whole } from '../core/schema/fields.ts';
import type { ButtonSource, NotificationSink } from '../ports/notification.ts';
import type { Clock } from '../ports/time.ts';

/** Resolves once the broker has accepted it (QoS 1); rejects without a connection. */
export type Publish = (
  topic: string,
  payload: string,
  options: { readonly qos: 0 | 1; readonly retain: boolean },
) => Promise<void>;

/** How texts are written where a sink does not say otherwise. */
export interface TextDefaults {
  readonly language: LanguageName;
  /** IANA name. */
  readonly timezone: string;
  /** It is that of the machine: texts say which it is. */
  readonly namesZone?: boolean | undefined;
  /** The unit that the database states for a metric. */
  readonly unitOf?: TextContext['unitOf'];
}

/** Dependencies of a sink besides its own configuration. */
export interface SinkDeps {
  readonly texts: TextDefaults;
  /** The values around a notification; undefined: none are known. Never rejects. */
  readonly recentOf?: ((notification: OutgoingNotification) => Promise<RecentValues | undefined>) | undefined;
  /** Links by which the alert is answered from a sink; undefined where none are configured. */
  readonly linksOf?: ((notification: AlertNotification, sink: string) => ActionLinks | undefined) | undefined;
  readonly clock: Pick<Clock, 'nowMs'>;
  /** Facts about a sensor at the time of the call. */
  readonly factsOf: (sensorId: number) => SensorFactsOf;
  /** Over the daemon's connection to the broker. */
  readonly publish: Publish;
}

/**
 * A kind of sink: one file that exports one of these, and a line in `index.ts`. Configuration, JSON Schema, reference,
 * `notify test`, `doctor` and the contract tests follow from it.
 */
export interface SinkDefinition<Schema extends z.ZodType> {
  /** Made by `sinkSchema`. */
  readonly schema: Schema;
  /** A complete configuration without `name`. The contract tests use it with the address of their server as `url`. */
  readonly example: z.input<Schema> extends infer Given ? Omit<Given, 'name'> : never;
  /** It sends over the daemon's own connection to the broker: there is no far side of its own to probe. */
  readonly overBroker?: boolean;
  /** Where it publishes at the broker: everything below the prefix, such as the topic. */
  publishesTo?(config: z.output<Schema>): { readonly prefix: string; readonly topic: string };
  /** Buttons below its messages, whose presses the daemon asks for. */
  readonly buttons?: {
    isOn(config: z.output<Schema>): boolean;
    /** Sources of the presses, for all sinks of the kind whose buttons are on. */
    sourcesOf(configs: readonly z.output<Schema>[]): readonly ButtonSource[];
  };
  /** The configuration is a parsed one: secrets that a file holds are read at each use, so that a rotated one needs no restart. */
  make(config: z.output<Schema>, deps: SinkDeps): NotificationSink;
}

/** The moment, language and zone of a text. */
export const textContext = (
  config: { readonly language?: LanguageName | undefined; readonly timezone?: string | undefined },
  { texts, clock }: Pick<SinkDeps, 'texts' | 'clock'>,
): TextContext => ({
  language: LANGUAGES[config.language ?? texts.language],
  timezone: config.timezone ?? texts.timezone,
  namesZone: config.timezone === undefined && texts.namesZone,
  nowMs: clock.nowMs(),
  unitOf: texts.unitOf,
});

/** The delivery of one notification with the values around it, and with links for what it is about: for what people read. */
export async function completed(
  delivery: Delivery,
  { name }: { readonly name: string },
  { recentOf, linksOf }: Pick<SinkDeps, 'recentOf' | 'linksOf'>,
): Promise<Delivery> {
  const [only] = delivery.notifications;
  if (only === undefined) return delivery;
  if (delivery.total > 1) {
    // The text of a group says of each alert whether it is not acknowledged.
    const acked = delivery.notifications.map(async (each) =>
      each.escalatedAfterS === undefined ? each : { ...each, recent: await recentOf?.(each) },
    );
    return { ...delivery, notifications: await Promise.all(acked) };
  }
  const links = mayBeAnswered(only) ? linksOf?.(only, name) : undefined;
  return { ...delivery, notifications: [{ ...only, recent: await recentOf?.(only), links }] };
}

/** An open alert of a sensor. */
export const mayBeAnswered = (notification: OutgoingNotification): boolean =>
  !isOfSystem(notification) && statusOf(notification) === 'firing' && notification.event !== 'flapping_end';

export const defineSink = <Schema extends z.ZodType>(
  definition: SinkDefinition<Schema>,
): SinkDefinition<Schema> => definition;

interface SinkKeys<Kind extends string, Fields extends z.ZodRawShape> {
  readonly kind: Kind;
  /** Text about the value of `kind`, in the reference. */
  readonly summary: string;
  /** Text about the section, in the reference. */
  readonly description: string;
  /** Requests that the far side accepts a minute, unless configured otherwise. */
  readonly perMinute: number;
  readonly fields: Fields;
}

/** The keys that every sink has, and those of one kind. */
export const sinkSchema = <const Kind extends string, Fields extends z.ZodRawShape>({
  kind,
  summary,
  description,
  perMinute,
  fields,
}: SinkKeys<Kind, Fields>) =>
  section({ kind: z.literal(kind).describe(summary), ...commonFields(perMinute), ...fields }, description);

const NAME = /^[a-z0-9][a-z0-9_-]{0,62}$/;

const retry = backoff(
  { least: '10ms', mostAtFirst: '10m', first: '1s', every: '2m' },
  'jittered, capped wait after a failure',
);

const COMMON_FIELDS = {
  name: z
    .string()
    .regex(NAME, 'must be lower-case letters, digits, - and _, such as ops-chat')
    .describe('name of the sink: in the log, the metrics, and its FIELDWATCH_NOTIFY_<NAME>_… variables'),
  min_severity: z.enum(SEVERITIES).default('info').describe('alerts of a lower severity are not sent'),
  alert_types: z
    .array(text('alert type; * is any text, ? any one character'))
    .max(100)
    .default([])
    .describe('only these alert types, such as temperature_high or *_no_data; empty: all'),
  locations: z
    .array(text('location of a sensor'))
    .max(1000)
    .default([])
    .describe('only sensors at these locations; empty: all'),
  language: z.enum(LANGUAGE_NAMES).optional().describe('language of its texts; absent: notify.language'),
  timezone: timezone('IANA zone of the times in its texts; absent: notify.timezone').optional(),
  timeout: duration({ min: '100ms', max: '5m' }).prefault('10s').describe('wait for an answer'),
  retry: retry.prefault({}),
  retry_for: duration({ min: '1m', max: '7d' })
    .prefault('24h')
    .describe('notifications undelivered for this long are dropped, counted and logged'),
  queue: whole(
    { min: 100, max: 1_000_000, fallback: 100_000 },
    'notifications queued while the sink is down; beyond it the oldest are dropped, counted and logged',
  ),
};

/** The fields of every sink. `perMinute` is the default rate that its receiver accepts. */
const commonFields = (perMinute: number) => ({
  ...COMMON_FIELDS,
  max_per_minute: whole({ min: 1, max: 1_000_000, fallback: perMinute }, 'requests to the receiver a minute'),
});

/** Further keys of sinks that notify people: they may leave out the end, and send many as one. */
export const groupFields = {
  send_resolved: z.boolean().default(true).describe('notify when an alert resolves, too'),
  ...groupingFields,
  group: section(
    {
      over: z.int().min(1).max(1000).optional().describe('without effect: groups are sent from the first on'),
      window: duration({ min: '1s', max: '1h' }).optional().describe('the former name of group_interval'),
    },
    'former keys of grouping',
  ).optional(),
};
