import type * as z from '../core/schema/zod.ts';
import type { Delivery, OutgoingNotification } from '../core/notify/delivery.ts';
import { type DisplayedState, displayedState } from '../core/notify/displayed-state.ts';
import { type LabelSet, annotationsOf, labelsOf } from '../core/notify/labels.ts';
import { firedAt, rfc3339 } from '../core/notify/webhook-body.ts';
import { duration } from '../core/schema/common.ts';
import type { NotificationSink, SinkResend, NotifiedEpisode } from '../ports/notification.ts';
import {
  credentialsOf,
  externalUrl,
  httpUrl,
  labels,
  oneCredential,
  passwordFields,
  tokenFields,
} from './fields.ts';
import { hostOf, request } from './http.ts';
import { type SinkDeps, defineSink, sinkSchema, textContext } from './sink.ts';

const schema = sinkSchema({
  kind: 'alertmanager',
  summary: 'an Alertmanager, by its API',
  description: 'sends alerts to an Alertmanager, again and again while they are firing',
  perMinute: 600,
  fields: {
    url: httpUrl('where Alertmanager is, such as http://alertmanager.example:9093'),
    ...tokenFields,
    ...passwordFields,
    resend: duration({ min: '1s', max: '1h' })
      .prefault('1m')
      .describe(
        'how often firing alerts are sent again; after four times as long without, Alertmanager resolves them',
      ),
    labels,
    external_url: externalUrl('generatorURL'),
  },
}).superRefine(oneCredential);

type Config = z.output<typeof schema>;

/** An alert as `/api/v2/alerts` accepts it. */
interface PostableAlert {
  readonly labels: LabelSet;
  readonly annotations: LabelSet;
  readonly startsAt: string;
  readonly endsAt: string;
  readonly generatorURL?: string;
}

interface Held extends DisplayedState {
  readonly notification: OutgoingNotification;
  /** By the clock: when its end was sent; it is resent for a while. */
  readonly endedMs: number | undefined;
}

/** Prometheus resends the end of an alert for this time; Alertmanager requires five minutes at least. */
const RESOLVED_FOR_MS = 15 * 60_000;
const VALID_FOR_RESENDS = 4;
const PER_POST = 500;

/**
 * Alertmanager drops alerts that are not resent, so this sink remembers what is firing. An alert is its labels there: when
 * the severity changes, the old one is resolved together with the new one's beginning.
 */
class AlertmanagerSink implements NotificationSink {
  readonly kind = 'alertmanager';
  readonly deliveryMode = 'batch';
  readonly resend: SinkResend;
  readonly #config: Config;
  readonly #deps: SinkDeps;
  #held = new Map<string, Held>();

  constructor(config: Config, deps: SinkDeps) {
    this.#config = config;
    this.#deps = deps;
    this.resend = {
      everyMs: config.resend,
      restore: (notified) => this.#restore(notified),
      calls: () => this.#resend(),
    };
  }

  async send({ notifications }: Delivery, signal: AbortSignal): Promise<void> {
    const nowMs = this.#deps.clock.nowMs();
    const next = new Map<string, Held>();
    const alerts: PostableAlert[] = [];
    for (const notification of notifications) {
      const before = next.get(notification.alertId) ?? this.#held.get(notification.alertId);
      const held = { ...displayedState(before, notification), notification };
      const now = { ...held, endedMs: held.firing ? undefined : nowMs };
      if (before !== undefined && this.#identity(before) !== this.#identity(now))
        alerts.push(this.#alert({ ...before, firing: false }, nowMs, nowMs));
      alerts.push(this.#alert(now, nowMs));
      next.set(notification.alertId, now);
    }
    await this.#post(alerts, signal);
    // Only what was accepted is remembered: the next attempt starts from the same state.
    for (const [id, held] of next) this.#held.set(id, held);
  }

  async probe(signal: AbortSignal): Promise<string> {
    const { headers, secrets } = credentialsOf(this.#config);
    const url = this.#at('/api/v2/status');
    const answer = await request({ url, method: 'GET', headers, secrets }, signal);
    const version = /"version":"([^"]{1,40})"/.exec(answer)?.[1];
    return `${hostOf(url)} is Alertmanager ${version ?? 'of unknown version'}`;
  }

  async close(): Promise<void> {}

  #restore(notified: readonly NotifiedEpisode[]): void {
    this.#held = new Map(
      notified.map(({ notification, notifiedAtMs }) => {
        const held = displayedState(undefined, notification);
        const facts = this.#deps.factsOf(notification.sensorId);
        return [
          notification.alertId,
          {
            ...held,
            notification: { ...notification, facts },
            endedMs: held.firing ? undefined : notifiedAtMs,
          },
        ];
      }),
    );
  }

  *#resend(): Generator<(signal: AbortSignal) => Promise<void>> {
    const nowMs = this.#deps.clock.nowMs();
    for (const [id, { endedMs }] of this.#held)
      if (endedMs !== undefined && nowMs - endedMs > RESOLVED_FOR_MS) this.#held.delete(id);
    const all = [...this.#held.values()];
    for (let at = 0; at < all.length; at += PER_POST) {
      const alerts = all.slice(at, at + PER_POST).map((held) => this.#alert(held, nowMs));
      yield (signal) => this.#post(alerts, signal);
    }
  }

  /** It ends at its end time, not when that is sent. */
  #alert(
    { notification, firing }: Omit<Held, 'fired' | 'endedMs'>,
    nowMs: number,
    endedMs = notification.eventTimeMs,
  ): PostableAlert {
    const { resend, external_url: generatorURL, labels } = this.#config;
    const startsAt = firedAt(notification);
    const endsMs = firing ? nowMs + VALID_FOR_RESENDS * resend : endedMs;
    return {
      labels: labelsOf(notification, labels),
      annotations: annotationsOf(notification, textContext(this.#config, this.#deps)),
      startsAt,
      // An end before the start, of a sensor whose clock runs ahead, would be refused.
      endsAt: rfc3339(Math.max(endsMs, Date.parse(startsAt))),
      ...(generatorURL === undefined ? {} : { generatorURL }),
    };
  }

  #identity({ notification }: Held): string {
    return JSON.stringify(labelsOf(notification, this.#config.labels));
  }

  async #post(alerts: readonly PostableAlert[], signal: AbortSignal): Promise<void> {
    if (alerts.length === 0) return;
    const { headers, secrets } = credentialsOf(this.#config);
    await request(
      {
        url: this.#at('/api/v2/alerts'),
        headers: { ...headers, 'content-type': 'application/json' },
        body: JSON.stringify(alerts),
        secrets,
      },
      signal,
    );
  }

  #at(path: string): string {
    return `${this.#config.url.replace(/\/+$/, '')}${path}`;
  }
}

export const alertmanager = defineSink({
  schema,
  example: {
    kind: 'alertmanager',
    url: 'http://alertmanager.example:9093',
    token: 'secret',
    labels: { site: 'north' },
  },
  make: (config, deps) => new AlertmanagerSink(config, deps),
});
