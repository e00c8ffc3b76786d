import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';

/**
 * Sends `bytes` as one COPY … FROM STDIN and resolves with the number of rows once the server has taken them all.
 *
 * `bytes` may be reused afterwards, even after an error: the server skips what is still on its way of a failed COPY,
 * and pg-copy-streams writes nothing more once the error has arrived (it releases the connection). Its stream reports
 * that as a second error, which is why the listener stays on.
 */
export function copyIn(client: pg.Client, sql: string, bytes: Uint8Array): Promise<number> {
  const stream = client.query(copyFrom(sql));
  return new Promise((resolve, reject) => {
    stream.on('error', reject);
    stream.once('finish', () => resolve(stream.rowCount));
    stream.end(bytes);
  });
}
