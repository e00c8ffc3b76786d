/** A row as the database sends it: decoded by the check that queried it. */
export type CatalogRow = Readonly<Record<string, unknown>>;

/** Read access of a policy check to the database: text and values in, rows out, bounded in time by the adapter. */
export interface Catalog {
  /** For COPY ... TO STDOUT the one row is `copied`, the number of rows. */
  select(text: string, values?: readonly unknown[]): Promise<readonly CatalogRow[]>;
  /**
   * Runs a statement in a transaction that is rolled back: nothing is changed, whatever it writes. No row if it
   * succeeded or did not finish in time, else one: `code`, `message` and `detail` of the error.
   */
  tryOut?(text: string): Promise<readonly CatalogRow[]>;
}

export interface CheckQuery {
  readonly text: string;
  readonly values?: readonly unknown[];
  /** It writes and is rolled back: the answer is the error, if there was one (`Catalog.tryOut`). */
  readonly rolledBack?: true;
}
