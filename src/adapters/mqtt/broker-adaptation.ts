import type { Logger } from '../../ports/metrics.ts';
import type { ServerLimits } from './broker-limits.ts';
import { type Failure, QOS_NOT_SUPPORTED, RETAIN_NOT_SUPPORTED } from './failure.ts';

/** How a message may be published to this broker. */
export interface PublishLimits {
  readonly qos: 0 | 1;
  readonly retain: boolean;
}

/** A missing feature of a broker, and its cost; logged once each. */
interface Missing {
  readonly limit: string;
  readonly cost: string;
  readonly remedy: string;
}

/**
 * Limits of the broker learned from its CONNACKs, and kept over reconnects: the daemon continues without what is
 * missing (MQTT 5, 3.2.2.3) and logs the cost once. A will is sent before the first CONNACK, so a will that the
 * broker cannot take shows as a refusal, and the next attempt sends it without retain or at QoS 0.
 */
export class BrokerAdaptation {
  readonly #logger: Logger;
  readonly #logged = new Set<string>();
  #publish: PublishLimits = { qos: 1, retain: true };
  #limits: ServerLimits | undefined;
  #sharedWorks = true;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** The limits of the present connection; undefined before the first CONNACK and with MQTT 3.1.1, which has none. */
  get limits(): ServerLimits | undefined {
    return this.#limits;
  }

  /** The settings that will and status may use. */
  get publish(): PublishLimits {
    return this.#publish;
  }

  /** Clamps the requested settings to what the broker supports. */
  clamp({ qos, retain }: PublishLimits): PublishLimits {
    return { qos: qos === 1 ? this.#publish.qos : 0, retain: retain && this.#publish.retain };
  }

  /** True when the next attempt differs from the refused one: then it needs no long wait. */
  learnFromRefusal({ code }: Failure): boolean {
    const before = this.#publish;
    if (code === RETAIN_NOT_SUPPORTED) this.#publish = { ...before, retain: false };
    if (code === QOS_NOT_SUPPORTED) this.#publish = { ...before, qos: 0 };
    return before.retain !== this.#publish.retain || before.qos !== this.#publish.qos;
  }

  accepted(limits: ServerLimits | undefined, needs: { readonly keepaliveS: number }): void {
    this.#limits = limits;
    if (limits === undefined) return;
    this.#publish = { qos: limits.maximumQos === 0 ? 0 : 1, retain: limits.retainAvailable };
    for (const missing of missingOf(limits, needs.keepaliveS)) {
      if (this.#logged.has(missing.limit)) continue;
      this.#logged.add(missing.limit);
      this.#logger.warn({ ...missing }, 'mqtt: broker limits apply');
    }
  }

  /** At MQTT 3.1.1 a broker cannot say that it has no shared subscriptions: it was tried (`shared-probe.ts`). */
  sharedTried(works: boolean | undefined): void {
    this.#sharedWorks = works ?? true;
    if (works === undefined)
      this.#logger.warn(
        {
          remedy:
            'Use mqtt.protocol: "5.0" with mqtt.share_group, or check with doctor that messages arrive.',
        },
        'mqtt: shared subscriptions at MQTT 3.1.1 not verified, a broker without them delivers nothing',
      );
  }

  /**
   * The MQTT 5 reason code with which this broker would refuse `filter` (162 wildcards, 158 shared); undefined when it
   * may be requested. Requesting it anyway is a protocol error that ends the connection (MQTT 5, 3.2.2.3.11 and 3.2.2.3.13).
   */
  refusalOf(filter: string): number | undefined {
    const limits = this.#limits;
    const shared = filter.startsWith('$share/');
    if (shared && !this.#sharedWorks) return 158;
    if (limits === undefined) return undefined;
    if (shared && !limits.sharedSubscriptionAvailable) return 158;
    const levels = shared ? filter.split('/').slice(2) : filter.split('/');
    const wildcard = levels.some((level) => level === '+' || level === '#');
    return wildcard && !limits.wildcardSubscriptionAvailable ? 162 : undefined;
  }
}

function missingOf(limits: ServerLimits, keepaliveS: number): readonly Missing[] {
  const all: (Missing | false)[] = [
    limits.maximumQos === 0 && {
      limit: 'maximum_qos',
      cost: 'QoS 0 only: no acknowledgement, a message in flight when the connection or the daemon ends is lost',
      remedy: 'allow QoS 1 in the broker',
    },
    !limits.retainAvailable && {
      limit: 'retain_available',
      cost: 'no retained messages: the status topic shows only changes, and notifications are not retained',
      remedy: 'allow retained messages in the broker, or set mqtt.status_topic: null',
    },
    limits.sessionExpiryS === 0 && {
      limit: 'session_expiry',
      cost: 'no session: what is published while fieldwatch is away is lost',
      remedy: 'allow persistent sessions in the broker',
    },
    limits.keepaliveS !== undefined &&
      limits.keepaliveS < keepaliveS && {
        limit: 'server_keep_alive',
        cost: `the broker asks for a ping every ${limits.keepaliveS} s; mqtt.keepalive is not used`,
        remedy: `set mqtt.keepalive: ${limits.keepaliveS}s`,
      },
  ];
  return all.filter((one) => one !== false);
}
