import type { Micros, RejectCode } from '../../reading.ts';
import type { Doc } from './document.ts';
import type { LossTally } from './losses.ts';

/** One record of a message before it becomes a reading: its parts are located, but not validated. */
export interface Draft {
  /** Searched first by `device_path`, `time.path` and `fields`. */
  readonly record: Doc;
  /** The message around a record of a batch: searched next. */
  readonly outer?: Doc | undefined;
  /** The name and value pair that the metrics come from: searched for `device_path` and the time before the record. */
  readonly pair?: Doc | undefined;
  /** The member of the pair that names the metric, and therefore no device. */
  readonly pairName?: string | undefined;
  /** The object that carries the metrics. */
  readonly metrics: Doc;
  /** The device as the format itself names it; the route and the topic take precedence. */
  readonly device?: unknown;
  /** The gateway that the device sends through, as the format names it. */
  readonly gateway?: string | undefined;
  /** Appended to the device, separator included: one of several in a message. */
  readonly suffix?: string | undefined;
  /** The time as the format itself sends it; null is "none". The route's `time.path` goes before it. */
  readonly time?: unknown;
  /** `time`, already in microseconds. */
  readonly timeUs?: Micros | undefined;
  /** `timeUs` counts from the arrival: it is no time of the record's own (D12). */
  readonly relative?: boolean;
  /** Names are the format's own: keys such as `id` or `time` are metrics here, not identity. */
  readonly verbatim?: boolean;
  /** The rejection if no metric is left; `no_metrics` by default. */
  readonly emptyCode?: RejectCode;
  /** Values that the format's own reading of the record had to set aside. */
  readonly losses?: LossTally;
}

/** A record that gives no reading. `ignored` is not a loss and is not counted as one. */
export interface Fault {
  readonly fault: RejectCode;
  readonly detail?: string | undefined;
}

export type Element = Draft | Fault;

export function isFault(element: object): element is Fault {
  return 'fault' in element;
}

export const NO_METRICS: Fault = { fault: 'no_metrics' };
export const IGNORED: Fault = { fault: 'ignored' };
