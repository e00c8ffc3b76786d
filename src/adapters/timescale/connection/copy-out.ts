import type pg from 'pg';
import { Signal } from '../../../lib/signal.ts';
import type { DatabaseOptions } from './connection.ts';
import { Connector } from './connector.ts';
import { databaseError } from '../errors.ts';
import { cut, endClient } from './query-timeout.ts';

/** Rows of a COPY so far; exact at its end. */
export type OnRows = (rows: number, ended: boolean) => void;

/** One connection that answers queries and COPY … TO STDOUT, one after the other. */
export interface CopySource {
  query<Row>(text: string, values: unknown[]): Promise<{ rows: Row[] }>;
  /**
   * The bytes of a COPY … TO STDOUT as the server sends them, in pieces of up to 256 KiB, or of a row where that is larger.
   * Where the reader is slow, the server waits. A reader that stops early ends the connection. `onRows` is
   * called with the rows so far, and with `ended` at the end.
   */
  copyOut(sql: string, onRows?: OnRows): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

/** Without a limit of a statement's time: how long one takes is for its reader to say. */
export async function openCopySource(options: DatabaseOptions, signal?: AbortSignal): Promise<CopySource> {
  const client = await new Connector({ ...options, statementTimeoutMs: 0 }).open(signal);
  const hangUp = () => cut(client);
  signal?.addEventListener('abort', hangUp);
  return {
    query: async <Row>(text: string, values: unknown[]) => {
      try {
        return { rows: (await client.query(text, values)).rows as Row[] };
      } catch (error) {
        throw databaseError(error, 'reading');
      }
    },
    copyOut: (sql, onRows) => copyOut(client, sql, onRows),
    close: async () => {
      signal?.removeEventListener('abort', hangUp);
      await endClient(client);
    },
  };
}

const PIECE_BYTES = 256 * 1024;
/** Pieces that wait for the reader before the socket is paused. */
const MOST_WAITING = 4;

async function* copyOut(
  client: pg.Client,
  sql: string,
  onRows: OnRows = () => undefined,
): AsyncGenerator<Uint8Array> {
  const query = new CopyOut(sql);
  client.query(query as unknown as pg.Submittable);
  try {
    for (;;) {
      const piece = await query.next();
      if (piece === undefined) break;
      onRows(query.rows, false);
      yield piece;
    }
    onRows(query.rows, true);
  } catch (error) {
    throw databaseError(error, 'reading');
  } finally {
    if (!query.ended) cut(client);
  }
}

interface Connection {
  query(text: string): void;
  readonly stream: { pause(): void; resume(): void };
}

/** A query as pg calls it (`Submittable`). A message is a row, and its bytes are pg's own: they are copied at once. */
class CopyOut {
  readonly #sql: string;
  readonly #ready: Uint8Array[] = [];
  #piece = new Uint8Array(PIECE_BYTES);
  #used = 0;
  #connection: Connection | undefined;
  #paused = false;
  #error: unknown;
  readonly #changed = new Signal();
  /** The server has answered in full, be it with an error. */
  ended = false;
  /** Messages, which are rows, until the server has said how many there were. */
  rows = 0;

  constructor(sql: string) {
    this.#sql = sql;
  }

  /** Undefined at the end. */
  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const piece = this.#ready.shift();
      if (piece !== undefined) {
        if (this.#paused && this.#ready.length < MOST_WAITING) this.#pause(false);
        return piece;
      }
      if (this.#error !== undefined) throw this.#error as Error;
      if (this.ended) return undefined;
      await this.#changed.wait();
    }
  }

  submit(connection: Connection): void {
    this.#connection = connection;
    connection.query(this.#sql);
  }

  handleCopyData({ chunk }: { readonly chunk: Uint8Array }): void {
    if (this.#used + chunk.length > this.#piece.length) this.#cutPiece(chunk.length);
    this.rows++;
    this.#piece.set(chunk, this.#used);
    this.#used += chunk.length;
  }

  handleCommandComplete({ text }: { readonly text: string }): void {
    this.rows = Number(/^COPY (\d+)$/.exec(text)?.[1] ?? 0);
    this.#cutPiece(0);
  }

  handleReadyForQuery(): void {
    this.ended = true;
    this.#changed.notify();
  }

  handleError(error: unknown): void {
    this.#error = error;
    this.ended = true;
    this.#changed.notify();
  }

  #cutPiece(more: number): void {
    if (this.#used > 0) this.#ready.push(this.#piece.subarray(0, this.#used));
    this.#piece = new Uint8Array(Math.max(PIECE_BYTES, more));
    this.#used = 0;
    if (this.#ready.length > MOST_WAITING) this.#pause(true);
    this.#changed.notify();
  }

  #pause(pause: boolean): void {
    if (pause === this.#paused) return;
    this.#paused = pause;
    if (pause) this.#connection?.stream.pause();
    else this.#connection?.stream.resume();
  }
}
