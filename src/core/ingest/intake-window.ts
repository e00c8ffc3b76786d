export interface WindowLimits {
  readonly maxRows: number;
  /** Estimated memory. */
  readonly maxBytes: number;
  /**
   * QoS 1 messages: what the broker was asked to keep to (the receive maximum). mosquitto 2.0 does not while it drains a queue,
   * and with an unlimited `max_inflight_messages` MQTT 3.1.1 knows no limit at all.
   */
  readonly maxMessages: number;
}

/** Part of a limit in rows or bytes below which intake goes on. Only a slow database reaches the limit. */
const FREE_AGAIN = 1 / 2;
/** Part of the limit of messages, which a backlog reaches all the time: the next ones are read while the second batch is being committed. */
const MESSAGES_FREE_AGAIN = 3 / 4;

/** Rows and bytes that have been received and are neither stored nor spooled; it bounds the memory. Pure. */
export class IntakeWindow {
  rows = 0;
  bytes = 0;
  /** QoS 1 messages that are not acknowledged yet. */
  messages = 0;
  #full = false;
  readonly #limits: WindowLimits;

  constructor(limits: WindowLimits) {
    this.#limits = limits;
  }

  /** From one limit being reached until all have room again. */
  get isFull(): boolean {
    return this.#full;
  }

  /** Received (positive) or done with (negative). True: `isFull` has changed. */
  add(rows: number, bytes: number, messages: number): boolean {
    this.rows += rows;
    this.bytes += bytes;
    this.messages += messages;
    const was = this.#full;
    if (was) this.#full = !this.#hasRoom();
    else this.#full = this.#reached();
    return was !== this.#full;
  }

  #reached(): boolean {
    const { maxRows, maxBytes, maxMessages } = this.#limits;
    // A broker that keeps to the receive maximum reaches it, and sends nothing more by itself.
    return this.rows >= maxRows || this.bytes >= maxBytes || this.messages > maxMessages;
  }

  #hasRoom(): boolean {
    const { maxRows, maxBytes, maxMessages } = this.#limits;
    return (
      this.rows <= maxRows * FREE_AGAIN &&
      this.bytes <= maxBytes * FREE_AGAIN &&
      this.messages <= maxMessages * MESSAGES_FREE_AGAIN
    );
  }
}
