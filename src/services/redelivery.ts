import type { InboundMessage } from '../ports.ts';

/**
 * Knows a redelivered message again within one run of the daemon. After a reconnect the broker sends unacknowledged
 * messages once more, under the same packet identifier and with DUP set (MQTT 4.4). A message without a time of its
 * own must then keep its first arrival time, or it would become a second row.
 */
export class Redelivery {
  private readonly awaited = new Map<number, InboundMessage>();
  /** Of what came again: what it was at first, for it may come once more. */
  private readonly firsts = new WeakMap<InboundMessage, InboundMessage>();
  /** Acknowledged last: the PUBACK may have been lost with the connection. Newest last. */
  private recent: (readonly InboundMessage[])[] = [];
  private recentCount = 0;
  private readonly capacity: number;

  /** @param capacity how many acknowledged messages to remember: the broker's window is enough. */
  constructor(capacity: number) {
    this.capacity = capacity;
  }

  acknowledged(messages: readonly InboundMessage[]): void {
    this.recent.push(messages);
    this.recentCount += messages.length;
    while (this.recent.length > 1 && this.recentCount - (this.recent[0]?.length ?? 0) >= this.capacity) {
      this.recentCount -= this.recent.shift()?.length ?? 0;
    }
  }

  /** The connection is gone: what was held, and what was acknowledged last, may come again. */
  connectionLost(held: Iterable<InboundMessage>): void {
    for (const batch of this.recent) this.remember(batch);
    this.remember(held);
    this.recent = [];
    this.recentCount = 0;
  }

  /** The broker forgot the session: packet identifiers mean nothing any more. */
  sessionLost(): void {
    this.awaited.clear();
  }

  /** The first delivery of `message`, if it is known; else `message`. Its arrival counts for both. */
  firstOf(message: InboundMessage): InboundMessage {
    if (!message.dup || this.awaited.size === 0) return message;
    const first = this.awaited.get(message.packetId);
    if (first === undefined) return message;
    this.awaited.delete(message.packetId);
    if (!sameMessage(first, message)) return message;
    this.firsts.set(message, first);
    return first;
  }

  private remember(messages: Iterable<InboundMessage>): void {
    for (const message of messages)
      if (message.qos === 1) this.awaited.set(message.packetId, this.firsts.get(message) ?? message);
  }
}

function sameMessage(a: InboundMessage, b: InboundMessage): boolean {
  if (a.topic !== b.topic || a.payload.length !== b.payload.length) return false;
  for (let i = 0; i < a.payload.length; i++) if (a.payload[i] !== b.payload[i]) return false;
  return true;
}
