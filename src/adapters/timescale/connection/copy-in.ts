import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { CopyQuery } from './copy-query.ts';

/** A COPY … FROM STDIN that is under way. */
export interface CopyIn {
  /** Resolves when the last of it has been written to the connection, or it has failed. Statements that are sent then come after it. */
  readonly sent: Promise<void>;
  /** Rows, once the server has taken them all. */
  readonly rows: Promise<number>;
}

/** A part above it does not wait for what is sent behind it. */
const SMALL_BYTES = 16 * 1024;

/**
 * Sends the bytes of `parts` as one COPY … FROM STDIN. The next part is asked for when the one before is with the system: the
 * server reads it while the next is made. The statement is sent at once, the first part when `admitted` has resolved; what
 * that rejects with ends the COPY, of which nothing is stored then.
 *
 * The bytes may be reused afterwards, even after an error: the server skips what is still on its way of a failed COPY,
 * and pg-copy-streams writes nothing more once the error has arrived (it releases the connection). Its stream reports
 * that as a second error, which is why the listener stays on.
 */
export function copyIn(
  client: pg.Client,
  sql: string,
  parts: Iterable<Uint8Array>,
  admitted?: Promise<unknown>,
): CopyIn {
  const stream = copyFrom(sql);
  const rest = parts[Symbol.iterator]();
  let written = (): void => undefined;
  const sent = new Promise<void>((resolve) => (written = resolve));
  const query = new CopyQuery(stream, written);
  const rows = new Promise<number>((resolve, reject) => {
    let failed = false;
    stream.on('error', (error) => {
      failed = true;
      written();
      reject(error);
    });
    stream.once('finish', () => resolve(stream.rowCount));
    const send = (error?: Error | null) => {
      if (failed || error) return;
      try {
        const part = rest.next();
        if (part.done === true) return void stream.end();
        if (part.value.length > SMALL_BYTES) query.flow();
        stream.write(part.value, send);
      } catch (error) {
        // CopyFail: nothing of it is stored.
        stream.destroy(error as Error);
      }
    };
    if (admitted === undefined) send();
    else
      admitted.then(
        () => send(),
        (error: Error) => stream.destroy(error),
      );
  });
  client.query(query);
  return { sent, rows };
}
