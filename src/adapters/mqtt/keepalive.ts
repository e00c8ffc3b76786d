import { PollLoop } from '../../lib/poll-loop.ts';
import type { Clock } from '../../ports/time.ts';

export interface KeepaliveDeps {
  readonly clock: Clock;
  /** Seconds between two packets that the broker accepts, as CONNECT or CONNACK has it; 0: none is sent. */
  readonly periodS: number;
  /** Sends a PINGREQ. */
  readonly ping: () => void;
  /** Counts what has been received: any byte is a sign of life. */
  readonly received: () => number;
  /** Nothing is read: neither is an answer. */
  readonly isPaused: () => boolean;
  /** No answer for half a period. */
  readonly onSilent: () => void;
}

/**
 * Pings each half period, and finds a dead link when nothing at all has come since the last one. Under load an answer waits behind
 * a backlog of messages, and while reading is paused it is not seen: neither is a dead link. A dead link then still shows,
 * because the pings cannot be written.
 */
export class Keepalive {
  readonly #deps: KeepaliveDeps;
  readonly #pings: PollLoop;
  #receivedAtPing: number | undefined;

  constructor(deps: KeepaliveDeps) {
    this.#deps = deps;
    const { clock, periodS } = deps;
    const everyMs = periodS === 0 ? Infinity : (periodS * 1000) / 2;
    this.#pings = new PollLoop({ clock, everyMs, run: () => this.#ping() });
    this.#pings.start();
  }

  /** Reading goes on after a pause: the answers are still behind what was not read, so they get as long again. */
  resumed(): void {
    this.#receivedAtPing = undefined;
    this.#pings.start();
  }

  stop(): void {
    void this.#pings.stop();
  }

  #ping(): void {
    const { received, isPaused, ping, onSilent } = this.#deps;
    const now = received();
    if (now === this.#receivedAtPing && !isPaused()) {
      this.stop();
      onSilent();
      return;
    }
    this.#receivedAtPing = now;
    ping();
  }
}
