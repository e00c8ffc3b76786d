import type pg from 'pg';

/** All of `work` or nothing; `begin` opens the transaction. Rejects with what `work` or COMMIT rejected with. */
export async function inTransaction<T>(
  client: pg.ClientBase,
  work: () => Promise<T>,
  begin = 'BEGIN',
): Promise<T> {
  try {
    await client.query(begin);
    const result = await work();
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await rollBack(client).catch(() => undefined);
    throw error;
  }
}

/**
 * Ends the transaction of a query that was refused, if there is one: a refused COMMIT leaves none, nor does a statement of
 * its own, and the server warns of a ROLLBACK then.
 */
export async function rollBack(client: pg.ClientBase): Promise<void> {
  // The state of the transaction follows the error, and the driver rejects before that has arrived.
  await client.query(';');
  if (client.getTransactionStatus() !== 'I') await client.query('ROLLBACK');
}
