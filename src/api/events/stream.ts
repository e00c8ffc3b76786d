import type { ServerResponse } from 'node:http';
import type { Clock } from '../../ports/time.ts';
import { PollLoop } from '../../lib/poll-loop.ts';
import type { EventHub, Subscriber } from './hub.ts';

/** Bytes that a client may leave unread in this process, besides the buffers of the system. */
const MOST_UNREAD_BYTES = 256 * 1024;
/** A proxy in between closes what is silent, and a page takes silence for a broken link. */
const HEARTBEAT_MS = 5000;

export const STREAM_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store, no-transform',
  // Proxies of the kind of nginx send it on at once.
  'x-accel-buffering': 'no',
} as const;

export interface StreamOptions {
  readonly hub: EventHub;
  readonly clock: Clock;
  readonly sensors: ReadonlySet<string>;
  /** Until then nothing is promised. */
  readonly ready: Promise<void>;
  readonly hello: () => unknown;
  readonly lastId: string | undefined;
  /** Whether the reader is still authorised. */
  readonly mayRead: () => boolean;
  readonly onCut: () => void;
  readonly onEnd: () => void;
}

/** Sends the events to a response until its client goes, does not read, or may not read any more. */
export function stream(response: ServerResponse, options: StreamOptions): void {
  const { hub, clock, sensors } = options;
  const cut = () => {
    options.onCut();
    response.destroy();
  };
  const subscriber: Subscriber = {
    sensors,
    send: (text) => {
      if (response.destroyed || response.writableEnded) return false;
      if (!options.mayRead()) {
        response.end();
        return false;
      }
      if (response.writableLength > MOST_UNREAD_BYTES) {
        cut();
        return false;
      }
      response.write(text);
      return true;
    },
  };
  const heartbeat = new PollLoop({
    clock,
    everyMs: HEARTBEAT_MS,
    run: () => {
      // One that does not read does not notice its end either.
      if (response.writableEnded) response.destroy();
      else subscriber.send(': still there\n\n');
    },
  });
  response.once('close', () => {
    hub.remove(subscriber);
    void heartbeat.stop();
    options.onEnd();
  });
  response.writeHead(200, STREAM_HEADERS);
  // A browser connects again by itself, after this time.
  response.write('retry: 2000\n\n');
  heartbeat.start();
  void options.ready.then(() => hub.add(subscriber, options.hello(), options.lastId));
}
