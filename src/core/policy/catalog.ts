/** A row as the database sends it: decoded by the check that asked for it. */
export type CatalogRow = Readonly<Record<string, unknown>>;

/** How a policy check reads the database: text and values in, rows out, bounded in time by the adapter. */
export interface Catalog {
  /** Of COPY ... TO STDOUT the one row is `copied`, the number of rows. */
  select(text: string, values?: readonly unknown[]): Promise<readonly CatalogRow[]>;
  /**
   * Runs a statement in a transaction that is rolled back: nothing is changed, whatever it writes. No row where it succeeded
   * or did not come to an end in time, else one: `code`, `message` and `detail` of the error.
   */
  tryOut?(text: string): Promise<readonly CatalogRow[]>;
}

export interface CheckQuery {
  readonly text: string;
  readonly values?: readonly unknown[];
  /** It writes, and all of it is rolled back: the answer is the error, where there was one (`Catalog.tryOut`). */
  readonly rolledBack?: true;
}
