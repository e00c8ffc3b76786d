import type { TimeUnit } from './mapping/instant.ts';
import type { Linear, Unit } from './mapping/unit.ts';

export interface FieldConfig {
  /** JSON Pointer; without it the rest applies to the metric of that name wherever it is found. */
  readonly path?: string | undefined;
  readonly unit?: Unit | undefined;
  readonly linear?: Linear | undefined;
  readonly min?: number | undefined;
  readonly max?: number | undefined;
}

export interface TimeConfig {
  /** JSON Pointer, or several in order of preference. */
  readonly path?: string | readonly string[] | undefined;
  readonly unit?: TimeUnit | undefined;
  readonly timezone?: string | undefined;
}

export type Scalar = string | number | boolean;

/**
 * One entry of `routes:`. The names are those of the YAML. What is left out comes from the preset, and then from the
 * codec's own habits.
 */
/** An availability topic; `payload_available` and `payload_not_available` where its words are unusual. */
export type AvailabilityConfig =
  | string
  | {
      readonly topic: string;
      readonly payload_available?: string | undefined;
      readonly payload_not_available?: string | undefined;
    };

export interface RouteConfig {
  readonly preset?: string | undefined;
  readonly topic?: string | readonly string[] | undefined;
  /** Topic patterns whose messages are only counted; added to those of the preset. */
  readonly ignore?: readonly string[] | undefined;
  /** Topics that report whether a device is online; they replace the preset's. */
  readonly availability?: AvailabilityConfig | readonly AvailabilityConfig[] | undefined;
  readonly codec?: string | undefined;
  readonly encoding?: string | undefined;
  readonly compression?: 'auto' | 'none' | 'gzip' | 'zlib' | undefined;
  readonly device?: string | undefined;
  /** The gateway that its devices send through: text with segments of the topic. */
  readonly gateway?: string | undefined;
  readonly device_path?: string | undefined;
  readonly device_tag?: string | undefined;
  readonly precision?: 's' | 'ms' | 'us' | 'ns' | undefined;
  readonly time?: TimeConfig | undefined;
  readonly timezone?: string | undefined;
  readonly on_bad_time?: 'reject' | 'received' | undefined;
  readonly retained?: 'ignore' | 'accept' | undefined;
  readonly fields?: Readonly<Record<string, FieldConfig>> | undefined;
  readonly extras?: boolean | undefined;
  /** Further keys that are no metrics. */
  readonly skip?: readonly string[] | undefined;
  readonly csv?:
    | {
        readonly columns?: readonly (string | null)[] | undefined;
        readonly header?: boolean | undefined;
        readonly separator?: string | undefined;
        readonly decimal?: '.' | ',' | undefined;
      }
    | undefined;
  /** RE2 syntax, with named groups. */
  readonly pattern?: string | undefined;
  readonly metric?: string | undefined;
  readonly metric_map?: Readonly<Record<string, string>> | undefined;
  readonly where?: Readonly<Record<string, Scalar | readonly Scalar[]>> | undefined;
  readonly items?: string | undefined;
  readonly metrics_path?: string | undefined;
  /** JSON Pointer to the value of the metric that the topic names. */
  readonly value_path?: string | undefined;
  readonly pivot?: { readonly items: string; readonly name: string; readonly value: string } | undefined;
  readonly base_topic?: string | undefined;
  readonly split_blocks?: boolean | undefined;
  /** The text of a .proto file, read by the loader of the configuration. */
  readonly proto?: string | undefined;
  readonly message?: string | undefined;
  readonly request_rebirth?: boolean | undefined;
  readonly keep_bad_quality?: boolean | undefined;
  /** Milliseconds, or derived from its rhythm; without it silence is not notified. */
  readonly silent_after?: number | 'auto' | undefined;
}

export type RouteKey = keyof RouteConfig;

/** A fault of a route: the key, as deep as possible, and a sentence. */
export interface RouteFault {
  readonly path: readonly (string | number)[];
  readonly message: string;
}
