/** Microseconds since the Unix epoch: an exact integer in a double until the year 2255. */
export type Micros = number;

/** Milliseconds since the Unix epoch. */
export type Millis = number;

/**
 * The five metrics with a column of their own in `sensor_readings`, in canonical units:
 * °C, %RH, hPa, battery %, dBm. Every other metric goes to the narrow table `sensor_metrics`.
 */
export const CORE_METRICS = ['temperature', 'humidity', 'pressure', 'battery', 'rssi'] as const;
export type CoreMetric = (typeof CORE_METRICS)[number];

const CORE: ReadonlySet<string> = new Set(CORE_METRICS);

/** True for a metric with a column of its own in `sensor_readings`. */
export const isCoreMetric = (name: string): name is CoreMetric => CORE.has(name);

const CORE_SUFFIX = new RegExp(`[_/](${CORE_METRICS.join('|')})$`, 'i');

/** The core metric that a longer name ends with: `bedroom_temperature`. */
export const coreSuffixOf = (name: string): string | undefined => CORE_SUFFIX.exec(name)?.[1]?.toLowerCase();

/** One sensor, one time, some metrics: what a codec makes of a message. */
export interface Reading {
  /** The device's own key, as `sensors.key` stores it. */
  readonly device: string;
  readonly timeUs: Micros;
  /** The location of the device from the topic (its `{location}` segment): for a sensor that registers itself. */
  readonly location: string | undefined;
  /** The key of the sensor that it sends through, from the topic or its birth: for one without a gateway. */
  readonly gateway?: string | undefined;
  /** True when the payload carried no time of its own and the arrival time was used (see the README's limits). */
  readonly stamped: boolean;
  /** Finite numbers in canonical units. A Map, so that no payload can reach a prototype. */
  readonly metrics: ReadonlyMap<string, number>;
}

/**
 * The metric of a reading that carries no number but whether its sensor is online: 1 or 0. No payload can name it
 * (D3). Such a reading goes the way of all others to the alerts, in their order, and is not stored.
 */
export const AVAILABILITY = '';

/** Whether a reading is an availability: evaluated, and not stored. */
export const isAvailability = ({ metrics }: Pick<Reading, 'metrics'>): boolean => metrics.has(AVAILABILITY);

/** Why a message gave no reading; the codes of the payload contract. */
export type RejectCode =
  | 'no_match'
  | 'ignored'
  | 'empty_payload'
  | 'invalid_utf8'
  | 'parse_error'
  | 'unsupported'
  | 'not_a_number'
  | 'no_metrics'
  | 'no_device'
  | 'bad_device'
  | 'bad_time'
  | 'time_out_of_range'
  | 'time_unknown'
  | 'older_than_retention'
  | 'retained_no_time'
  | 'overlapping_copy'
  | 'too_large'
  | 'too_deep'
  | 'too_many_readings'
  | 'unknown_alias'
  | 'decoder_failed';

/** A message from a route to a sender: Sparkplug's rebirth request. Sent at QoS 0, never retained. */
export interface Publish {
  readonly topic: string;
  readonly payload: Uint8Array;
}

/** Names of metrics, a bounded sample. */
export interface Losses {
  readonly dropped: readonly string[];
  readonly ambiguous: readonly string[];
}

export type Decoded = (
  | {
      readonly kind: 'readings';
      readonly readings: readonly Reading[];
      /** Elements or metrics of the message that were dropped while the rest was stored (contract D4, D13). */
      readonly dropped: number;
      /** Values that another value of the same device, time and metric replaced (D14'). Absent: none. */
      readonly ambiguous?: number;
      /** The first few of both, for the log. */
      readonly losses?: Losses;
      /** The route that decoded the message, by its feed's name; only with `losses`. */
      readonly route?: string;
    }
  | {
      readonly kind: 'reject';
      readonly code: RejectCode;
      readonly detail?: string;
      /** It carries no measurement, only whether a device is online. */
      readonly availability?: Availability;
    }
) & { readonly publish?: Publish };

/** Codes that are not faults: counted as filtered, never stored as dead letters. */
export const FILTERED_CODES: ReadonlySet<RejectCode> = new Set([
  'no_match',
  'ignored',
  'empty_payload',
  'retained_no_time',
  'overlapping_copy',
]);

/** The content of a message on such a topic. */
export interface Availability {
  readonly device: string;
  readonly parts: boolean;
  readonly online: boolean;
}
