import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';

/**
 * Sends the bytes of `parts` as one COPY … FROM STDIN and resolves with the number of rows once the server has taken them
 * all. The next part is asked for when the one before is with the system: the server reads it while the next is made.
 *
 * The bytes may be reused afterwards, even after an error: the server skips what is still on its way of a failed COPY,
 * and pg-copy-streams writes nothing more once the error has arrived (it releases the connection). Its stream reports
 * that as a second error, which is why the listener stays on.
 */
export function copyIn(client: pg.Client, sql: string, parts: Iterable<Uint8Array>): Promise<number> {
  const stream = client.query(copyFrom(sql));
  const rest = parts[Symbol.iterator]();
  return new Promise((resolve, reject) => {
    let failed = false;
    stream.on('error', (error) => {
      failed = true;
      reject(error);
    });
    stream.once('finish', () => resolve(stream.rowCount));
    const send = (error?: Error | null) => {
      if (failed || error) return;
      try {
        const part = rest.next();
        if (part.done === true) stream.end();
        else stream.write(part.value, send);
      } catch (error) {
        // CopyFail: nothing of it is stored.
        stream.destroy(error as Error);
      }
    };
    send();
  });
}
