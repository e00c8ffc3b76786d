import type { TimeInput } from './pure-types.ts';

/** Which rows a table has. */
export interface LoadFrameInput {
  /**
   * `readings`: a row a time and sensor; `metrics`: those without a column in `sensor_readings`; `hourly`, `daily`: the aggregates; `readings` by
   * default.
   */
  readonly dataset?: 'readings' | 'metrics' | 'alerts' | 'hourly' | 'daily' | 'dead-letters';
  /** A column a metric (`wide`), or a row a value in the columns `metric` and `value` (`long`); by default as `fieldwatch export`. */
  readonly shape?: 'wide' | 'long';
  /** Everything by default. */
  readonly from?: TimeInput;
  /** Not included. */
  readonly to?: TimeInput;
  /** Keys of sensors, also former ones; all by default. */
  readonly sensor?: string | readonly string[];
  readonly location?: string;
  /** All by default. */
  readonly metrics?: readonly string[];
}

/** How the columns of a table become readings. */
export interface SaveFrameOptions {
  /**
   * `sensor`, `time`, `location`, `metric`, `value`, or the name of a metric, to its column. Without it columns are found by their usual names, and every
   * other one is a metric.
   */
  readonly map?: Readonly<Record<string, string>>;
  /** Columns that are left out. */
  readonly ignore?: readonly string[];
  /** The sensor of all rows, where no column names it. */
  readonly sensor?: string;
  /** Called after each transaction, with the rows that are stored for certain. */
  readonly onProgress?: (rows: number) => void;
}

/** Outcome of the rows of a table. */
export interface SaveFrameOutcome {
  readonly rows: number;
  /** New readings, and metrics that have no column in `sensor_readings`. */
  readonly stored: number;
  /** Equal to what was stored. */
  readonly duplicate: number;
  /** Filled in metrics that the stored reading lacked. */
  readonly merged: number;
  /** Another value of a stored metric: the first stays, the row is a dead letter. */
  readonly conflict: number;
  /** Refused: no such reading can be stored. */
  readonly deadLettered: number;
  /** Rows without a value. */
  readonly empty: number;
  /** Older than the retention of readings, and left out. */
  readonly expired: number;
}
