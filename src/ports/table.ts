/** Rows of a file, in the order of `names`. */
export interface TableChunk {
  readonly names: readonly string[];
  readonly rows: readonly (readonly unknown[])[];
  /** Of the first row of the chunk in its file, counted from 1. */
  readonly firstRow: number;
  /** Columns that are no metrics by themselves: tags. Their set, like that of `names`, may differ from chunk to chunk. */
  readonly labels?: readonly string[];
  /** Pieces that are no rows, with what is wrong. */
  readonly faults?: readonly { readonly text: string; readonly detail: string }[];
  /** How much of the file is read, 0 to 1. */
  readonly share: number;
}
