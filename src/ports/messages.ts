import type { Micros, Millis } from '../core/reading.ts';

/** Where messages come from. */

/** One MQTT publish as it arrived. Held until its rows are safe; then it goes back to `acknowledge`. */
export interface InboundMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  /** 0 needs no acknowledgement. Subscriptions never request 2. */
  readonly qos: 0 | 1;
  readonly retain: boolean;
  readonly dup: boolean;
  readonly receivedAtMs: Millis;
  /** `receivedAtMs` as the time of a reading that has none of its own: no other message of this process has it. */
  readonly arrivalUs: Micros;
  /** MQTT 5 content type, where the publisher gave one. */
  readonly contentType: string | undefined;
  /** The connection that delivered it: an acknowledgement never crosses to another. */
  readonly epoch: number;
  /** Packet identifier within the connection; 0 at QoS 0. */
  readonly packetId: number;
  /** The broker delivers it once more for another filter that matches its topic: it is acknowledged, and nothing else. */
  readonly isCopy?: boolean;
}

export type Connectivity =
  | { readonly state: 'connecting' }
  | {
      readonly state: 'connected';
      readonly sessionPresent: boolean;
      readonly receiveMaximum: number;
      readonly protocolVersion: 4 | 5;
    }
  /** Follows `connected`, and every change of the filters: the broker has answered for each. */
  | { readonly state: 'subscribed'; readonly active: number; readonly refused: number }
  | { readonly state: 'disconnected'; readonly reason: string; readonly retryInMs: number };

export interface MessageHandlers {
  /** Called for each publish in arrival order. Must not throw and must not block. */
  onMessage(message: InboundMessage): void;
  onConnectivity(connectivity: Connectivity): void;
}

export interface MessageSource {
  /** Resolves once the first connection attempt is under way; a broker that is away is not an error. */
  start(handlers: MessageHandlers): Promise<void>;
  /** Sends the PUBACKs of messages whose rows are safe, in one write. Messages of an older connection are dropped. */
  acknowledge(messages: readonly InboundMessage[]): void;
  /** Stops reading from the socket while pings go on: the bounded window's last line. Idempotent. */
  pause(): void;
  resume(): void;
  /** New topic filters after a reload: subscribes added ones, unsubscribes removed ones. */
  resubscribe(filters: readonly string[]): Promise<void>;
  /**
   * Everything that the broker kept for the session before this moment, by the monotonic clock, is received and
   * acknowledged; `-Infinity` without a connection. Only where it was asked for.
   */
  readonly readThroughMs?: Millis;
  /**
   * Unsubscribes, so that the broker keeps no more for the session, and reads what it has. False where that is not
   * certain: the session may hold messages.
   */
  unsubscribe?(): Promise<boolean>;
  /** No further `onMessage`; acknowledgements still go out until `stop`. */
  stopReceiving(): Promise<void>;
  /** Sends outstanding acknowledgements, publishes the status offline, closes. Idempotent. */
  stop(): Promise<void>;
}
