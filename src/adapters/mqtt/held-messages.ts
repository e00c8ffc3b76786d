import type { InboundMessage } from '../../ports/messages.ts';

/**
 * The QoS 1 messages of one connection that wait for their acknowledgement, by packet id.
 *
 * A PUBACK names only a packet id, so a wrong one releases another message, and that is a loss. Two ways lead there.
 * An acknowledgement given twice: the broker may use the id again after the first. And an id that the broker uses
 * twice at once: mosquitto 2.0 does so when more than 65,535 messages are in flight, which its own overrun of the
 * receive maximum makes possible (each PUBACK releases a whole window while a queue drains). The broker then takes a
 * PUBACK for the oldest holder of the id, so we send one only when the oldest is safe.
 */
export class HeldMessages {
  readonly #oldest: (InboundMessage | undefined)[] = [];
  /** Later holders of an id that is still held, in arrival order. Practically always empty. */
  readonly #later = new Map<number, InboundMessage[]>();
  readonly #safeEarly = new Set<InboundMessage>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(message: InboundMessage): void {
    const id = message.packetId;
    this.#count++;
    if (this.#oldest[id] === undefined) {
      this.#oldest[id] = message;
      return;
    }
    const waiting = this.#later.get(id);
    if (waiting === undefined) this.#later.set(id, [message]);
    else waiting.push(message);
  }

  /** How many PUBACKs for its packet id this message releases; undefined when it is not held (any more). */
  release(message: InboundMessage): number | undefined {
    const id = message.packetId;
    if (this.#oldest[id] === message) {
      if (this.#later.size > 0) return this.#releaseChain(id);
      this.#oldest[id] = undefined;
      this.#count--;
      return 1;
    }
    if (this.#later.get(id)?.includes(message) !== true || this.#safeEarly.has(message)) return undefined;
    this.#safeEarly.add(message);
    return 0;
  }

  #releaseChain(id: number): number {
    const waiting = this.#later.get(id) ?? [];
    let released = 1;
    let next = waiting.shift();
    while (next !== undefined && this.#safeEarly.delete(next)) {
      released++;
      next = waiting.shift();
    }
    if (waiting.length === 0) this.#later.delete(id);
    this.#oldest[id] = next;
    this.#count -= released;
    return released;
  }
}
