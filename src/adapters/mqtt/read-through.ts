import type { Millis } from '../../core/reading.ts';

/** How many messages the broker had in flight at once, as far as it was seen: it keeps nothing back below that. */
export class SeenWindow {
  #most = 1;
  readonly #limit: number;

  /** `limit`: the receive maximum of the CONNECT. mosquitto 2.0 exceeds it while it drains a queue. */
  constructor(limit = Infinity) {
    this.#limit = limit;
  }

  see(inFlight: number): void {
    if (inFlight > this.#most) this.#most = Math.min(this.#limit, inFlight);
  }

  /** With so many in flight at most, the broker had nothing left to send. */
  hasRoom(inFlight: number): boolean {
    return inFlight === 0 || inFlight < this.#most;
  }
}

interface Ping {
  readonly sentMs: Millis;
  readonly inFlight: number;
  readonly received: number;
}

/**
 * Up to when everything that the broker kept for this session has been received and acknowledged. MQTT does not say
 * where a backlog ends. But the broker sends what it may: if, when it answers a ping, fewer messages were in flight than
 * it has been seen to send unacknowledged, it had no others. What is in flight is at most what was unacknowledged with
 * the ping, and what came before its answer.
 */
export class ReadThrough {
  readonly #window: SeenWindow;
  #received = 0;
  #acknowledged = 0;
  readonly #pings: Ping[] = [];
  /** Proven, and not yet acknowledged. */
  readonly #proven: { readonly sentMs: Millis; readonly received: number }[] = [];
  #proofs = 0;
  #upToMs = -Infinity;

  constructor(window: SeenWindow) {
    this.#window = window;
  }

  /** By the monotonic clock; `-Infinity`: that was never seen on this connection. */
  get upToMs(): Millis {
    return this.#upToMs;
  }

  get isWaiting(): boolean {
    return this.#pings.length > 0;
  }

  /** A message at QoS 1, with how many are unacknowledged now. */
  received(inFlight: number): void {
    this.#received++;
    this.#window.see(inFlight);
  }

  acknowledged(messages: number): void {
    this.#acknowledged += messages;
    this.#conclude();
  }

  pinged(sentMs: Millis, inFlight: number): void {
    this.#pings.push({ sentMs, inFlight, received: this.#received });
  }

  answered(): void {
    const ping = this.#pings.shift();
    if (ping === undefined) return;
    const { sentMs } = ping;
    const received = this.#received;
    if (!this.#window.hasRoom(ping.inFlight + received - ping.received)) return;
    // A broker that reads a stored queue in the background may answer the first ping before it sends any of it.
    if (this.#proofs++ === 0) return;
    this.#proven.push({ sentMs, received });
    this.#conclude();
  }

  /** Messages are acknowledged in the order of their arrival. */
  #conclude(): void {
    for (;;) {
      const [next] = this.#proven;
      if (next === undefined || next.received > this.#acknowledged) return;
      this.#proven.shift();
      this.#upToMs = next.sentMs;
    }
  }
}
