import type { AlertRules, Severity } from './rules.ts';

/** One entry of `routes:` of the configuration: `{ topic: 'plant/{device}', codec: 'json' }` (docs/formats.md). */
export type RouteInput = Readonly<Record<string, unknown>>;

/** A message to be decoded. */
export interface MessageInput {
  readonly topic: string;
  /** Bytes, or text that is encoded as UTF-8. */
  readonly payload: Uint8Array | string;
  readonly retain?: boolean;
  readonly contentType?: string;
  /** When it arrived: the time of readings without one of their own, and what times are checked against. Now by default. */
  readonly receivedAt?: Date | number | string;
}

/** A decoded message. */
export interface DecodedMessage {
  /** Why it gives no reading, or null: the reason of its dead letter. */
  readonly reject: string | null;
  readonly readings: readonly {
    readonly sensor: string;
    readonly time: Date;
    readonly metrics: Readonly<Record<string, number>>;
  }[];
  /** Parts that were set aside. */
  readonly dropped: readonly string[];
  /** Values that another one of the same sensor, time and metric replaced. */
  readonly ambiguous: readonly string[];
}

/** A reading as the rules see it. */
export interface EvaluatedReading {
  readonly sensor: string;
  readonly time: Date | number | string;
  readonly metrics: Readonly<Record<string, number>>;
  /** When it arrived; at its time by default. Readings are given in the order of arrival. */
  readonly receivedAt?: Date | number | string;
}

/** Properties that the rules select by. */
export interface EvaluatedSensor {
  readonly sensor: string;
  readonly type?: string;
  readonly location?: string;
  readonly tags?: readonly string[];
  /** The key of the sensor that it sends through. */
  readonly gateway?: string;
}

/** The options of `evaluate`. */
export interface EvaluateOptions {
  /** Sensors with a type, a location or tags; others need not be named. */
  readonly sensors?: readonly EvaluatedSensor[];
  /** The clock goes on until then after the last reading: for rules of silence. */
  readonly until?: Date | number | string;
}

/** An alert of `evaluate`: one row of `sensor_alerts`. */
export interface EvaluatedAlert {
  readonly sensor: string;
  readonly alertType: string;
  readonly metric: string;
  readonly severity: Severity;
  readonly message: string;
  /** When it fired. */
  readonly time: Date;
  readonly value: number;
  readonly threshold: number;
  readonly alertId: string;
  readonly startedAt: Date;
  readonly resolvedAt: Date | null;
  readonly resolvedValue: number | null;
  readonly peakValue: number | null;
}

/** The options of `registerCodec`. */
export interface CodecInput {
  /** As routes name it: `codec: my-format`. */
  readonly name: string;
  /** One line for display. */
  readonly summary: string;
  /**
   * The payload as a value that the route maps like JSON: objects, arrays, numbers, text. What it throws makes the message a
   * dead letter with the reason `parse_error`.
   */
  readonly decode: (
    payload: Uint8Array,
    context: { readonly topic: string; readonly contentType: string | undefined },
  ) => unknown;
}

export type { AlertRules };

/** A time: a Date, milliseconds since the epoch, or ISO text. */
export type TimeInput = Date | number | string;
