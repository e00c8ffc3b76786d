/**
 * Rows as columns: what exports, imports and data frames are made of. `timestamp` is microseconds since the Unix epoch in
 * UTC, `int64` an integer; both are kept in a BigInt64Array.
 */
export type ColumnType = 'timestamp' | 'double' | 'int32' | 'int64' | 'boolean' | 'text' | 'binary';

export interface FrameColumn {
  readonly name: string;
  readonly type: ColumnType;
  /** Default true. */
  readonly nullable?: boolean;
}

export type ColumnValues =
  | BigInt64Array
  | Float64Array
  | Int32Array
  | readonly (boolean | null)[]
  | readonly (string | null)[]
  | readonly (Uint8Array | null)[];

export interface ColumnData {
  /** One entry a row; under a null an array has null, a typed array any value. */
  readonly values: ColumnValues;
  /** 1 where the value is null; undefined where none is. */
  readonly nulls: Uint8Array | undefined;
}

/** Some rows of a table. `data` has an entry for each of `columns`. */
export interface Frame {
  readonly columns: readonly FrameColumn[];
  readonly rows: number;
  readonly data: readonly ColumnData[];
}
