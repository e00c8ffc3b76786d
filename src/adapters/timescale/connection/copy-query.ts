import pg from 'pg';
import type { CopyStreamQuery } from 'pg-copy-streams';

interface PgConnection {
  readonly stream: { cork(): void; uncork(): void };
}

/** The methods that pg calls; the types of pg-copy-streams have `submit` alone. */
type CopyHandlers = CopyStreamQuery & {
  _final(done: (error?: Error | null) => void): void;
  handleCopyInResponse(connection: PgConnection): void;
  handleCommandComplete(message: unknown): void;
  handleReadyForQuery(): void;
  handleError(error: Error): void;
};

/**
 * A COPY as a query of pg's own class: a client that pipelines takes no other, since they may hold a portal open. COPY has none.
 * `onWritten` is called when CopyDone has been written.
 */
export class CopyQuery extends pg.Query {
  readonly #stream: CopyHandlers;
  #flows = false;
  #uncork = (): void => undefined;

  constructor(stream: CopyStreamQuery, onWritten: () => void) {
    super(stream.text);
    this.#stream = stream as CopyHandlers;
    const writeCopyDone = this.#stream._final.bind(stream);
    this.#stream._final = (done) => {
      writeCopyDone(done);
      onWritten();
    };
  }

  override submit = (connection: pg.Connection): void => this.#stream.submit(connection);

  handleCopyInResponse(connection: PgConnection): void {
    if (!this.#flows) this.#cork(connection);
    this.#stream.handleCopyInResponse(connection);
  }

  /** Writes at once from now on. */
  flow(): void {
    this.#flows = true;
    this.#uncork();
  }

  /** A few rows, CopyDone and what is sent behind it leave in one piece: each system call costs more than they do. */
  #cork({ stream }: PgConnection): void {
    stream.cork();
    this.#uncork = () => {
      this.#uncork = () => undefined;
      stream.uncork();
    };
    setImmediate(() => this.#uncork());
  }

  handleCommandComplete(message: unknown): void {
    this.#stream.handleCommandComplete(message);
  }

  handleReadyForQuery(): void {
    this.#stream.handleReadyForQuery();
  }

  handleError(error: Error): void {
    this.#stream.handleError(error);
  }
}
