import type { Micros } from '../../reading.ts';
import type { Captures } from '../topic.ts';
import type { Fault } from './draft.ts';

/** Limits on the cost of a payload. */
export interface Limits {
  /** Bytes on the wire. */
  readonly max_payload: number;
  /** Bytes after decompression. */
  readonly max_decompressed: number;
  /** Nesting. */
  readonly max_depth: number;
  /** Records of one message. */
  readonly max_readings: number;
  /** Metrics of one reading. */
  readonly max_metrics: number;
}

/** Which times are believed: [received - max_past, received + max_future], milliseconds. */
export interface TimeWindow {
  readonly max_past: number;
  readonly max_future: number;
}

/** The message around a payload, as codecs and presets see it. */
export interface MessageContext {
  readonly topic: string;
  readonly captures: Captures;
  /** The device from the topic. */
  readonly topicDevice: string | Fault | undefined;
  /** The gateway from the topic. */
  readonly gateway?: string | undefined;
  /** The metric that a scalar payload is: the route's `metric`, or the captured {metric}. */
  readonly metric: string | undefined;
  readonly receivedAtUs: Micros;
  /** The receive clock may be far behind: a time that seems to be in the future is checked later. */
  readonly clockUnknown?: boolean | undefined;
  readonly retain: boolean;
  readonly contentType: string | undefined;
  readonly limits: Limits;
}
