/** A time: a Date, milliseconds since the epoch, or ISO text. */
export type TimeInput = Date | number | string;
