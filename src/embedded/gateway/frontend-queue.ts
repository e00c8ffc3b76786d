import type { Socket } from 'node:net';

export interface FrontendMessage {
  readonly type: number;
  readonly raw: Buffer;
}

/** Above this many waiting bytes the socket is not read any further. */
const PAUSE_BYTES = 4 * 1024 * 1024;

/** Messages of one connection, handed out one by one; pauses the socket while its session is behind. */
export class FrontendQueue {
  private readonly socket: Socket;
  private readonly queue: FrontendMessage[] = [];
  private head = 0;
  private bytes = 0;
  private closed = false;
  private waiter: ((message: FrontendMessage | null) => void) | null = null;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  push(type: number, raw: Buffer): void {
    if (this.closed) return;
    const { waiter } = this;
    if (waiter !== null) {
      this.waiter = null;
      waiter({ type, raw });
      return;
    }
    this.queue.push({ type, raw });
    this.bytes += raw.length;
    if (this.bytes > PAUSE_BYTES) this.socket.pause();
  }

  /** The next message without waiting, if there is one. */
  poll(): FrontendMessage | undefined {
    const message = this.queue[this.head];
    if (message === undefined) return undefined;
    this.head++;
    this.bytes -= message.raw.length;
    if (this.head === this.queue.length) {
      this.queue.length = 0;
      this.head = 0;
      if (this.socket.isPaused()) this.socket.resume();
    }
    return message;
  }

  /** The next message; null once the connection is gone, even if messages were left. */
  async next(): Promise<FrontendMessage | null> {
    if (this.closed) return null;
    return this.poll() ?? new Promise((resolve) => (this.waiter = resolve));
  }

  close(): void {
    this.closed = true;
    this.queue.length = 0;
    this.waiter?.(null);
    this.waiter = null;
  }
}
