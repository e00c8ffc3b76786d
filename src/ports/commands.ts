import type { FieldwatchError } from '../core/errors.ts';

/** Operator commands that arrive as messages, and their answers. */

export interface CommandMessage {
  readonly payload: Uint8Array;
  readonly retain: boolean;
  /** MQTT 5. */
  readonly responseTopic: string | undefined;
  readonly correlation: Uint8Array | undefined;
}

export interface CommandConnection {
  /** Resolves with the reason when it has ended, by either side: BROKER_UNREACHABLE or SUBSCRIPTION_REFUSED. */
  readonly closed: Promise<FieldwatchError>;
  /** Idempotent. */
  close(): Promise<void>;
}

export interface CommandSource {
  /** Name of its lease: one daemon at a time reads it. */
  readonly name: string;
  /**
   * Receives one message after the other: the next one when the promise of this one resolves. Where it rejects the connection is closed,
   * and the message comes again with the next one. Resolves at the CONNACK; rejects with BROKER_UNREACHABLE.
   */
  open(onMessage: (message: CommandMessage) => Promise<void>): Promise<CommandConnection>;
}
