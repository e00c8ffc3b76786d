import type { Publish, RejectCode } from '../../reading.ts';
import type { MessageContext } from '../mapping/context.ts';
import type { Element } from '../mapping/draft.ts';
import type { LossTally } from '../mapping/losses.ts';
import type { RouteConfig } from '../route-config.ts';

/**
 * The result of a codec for the bytes of one message. A `document` (JSON and its binary relatives) goes through the
 * route's mapping; `records` come from formats that define device, time and metric themselves.
 */
export type Payload =
  | { readonly kind: 'document'; readonly value: unknown }
  | {
      readonly kind: 'records';
      readonly records: Element | readonly Element[];
      /** Parts that were set aside before. */
      readonly losses?: LossTally | undefined;
      readonly publish?: Publish | undefined;
    }
  | PayloadReject;

export interface PayloadReject {
  readonly kind: 'reject';
  readonly code: RejectCode;
  readonly detail?: string;
}

/**
 * Decodes one format. Never throws, whatever the bytes; never takes more depth, records or memory than the limits in
 * `context` allow. Deterministic, but for the birth state of Sparkplug.
 */
export interface Codec {
  decode(bytes: Uint8Array, context: MessageContext): Payload;
  /** Whether an offline message belongs to the device's present session; without it every one does. */
  isCurrent?(bytes: Uint8Array, topic: string): boolean;
  /** Takes over what the codec of the same topics had learnt before the configuration was reloaded. */
  inherit?(before: Codec): void;
}

/** One format, as the registry lists it. */
export interface CodecKind {
  readonly name: string;
  /** One line for display. */
  readonly summary: string;
  /** The values of `encoding`, where the format has several. */
  readonly encodings?: readonly string[];
  /** Whether its payloads name their device: by the format's own rules, or never; default: as the route says. */
  readonly device?: 'own' | 'none';
  /** Its values state their unit, or have a fixed one. */
  readonly statesUnits?: true;
  /** It is a preset of its own name, for these topics where a route names none; absent: another preset uses it. */
  readonly preset?: { readonly topic?: string };
  /** The fault in the route's options for this codec; undefined if they are valid. */
  check?(config: RouteConfig): { readonly key: string; readonly message: string } | undefined;
  /** A codec for one route: with its options, and with its own state if the format needs any. */
  create(config: RouteConfig, inflate?: Inflate): Codec;
}

export function rejectPayload(code: RejectCode, detail?: string): PayloadReject {
  return detail === undefined ? { kind: 'reject', code } : { kind: 'reject', code, detail };
}

/** Decompresses at most `maxOutput` bytes, or returns the code to reject with. Injected into the core: D9. */
export type Inflate = (
  bytes: Uint8Array,
  format: CompressionFormat,
  maxOutput: number,
) => Uint8Array | 'too_large' | 'parse_error';

export type CompressionFormat = 'gzip' | 'zlib';
