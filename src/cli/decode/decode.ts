import type { Inflate } from '../../core/ingest/codec/codec.ts';

import type { Limits } from '../../core/ingest/mapping/context.ts';
import { isoFromMicros } from '../../core/ingest/mapping/instant.ts';
import type { Router } from '../../core/ingest/route.ts';
import type { Decoded, Reading } from '../../core/reading.ts';
import { overlookedTime } from '../../learn/overlooked-time.ts';

/** The input of `fieldwatch decode` for the routes. */
export interface DecodeInput {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly retain: boolean;
  readonly receivedAtMs: number;
  readonly contentType?: string | undefined;
}

/**
 * One JSON line: `{"readings":[…]}` or `{"reject":"<code>"}`; with readings what was set aside, and `hint` where the
 * payload has what looks like a time and the time of arrival was used.
 */
export function decodeOne(router: Router, input: DecodeInput, hints?: HintOptions): string {
  const decoded = router.decode(input);
  const place = hints && overlookedTime(input, decoded, hints.limits, hints.inflate);
  return decodedLine(
    decoded,
    place === undefined ? undefined : `${place} looks like a time and is not used: time.path`,
  );
}

export interface HintOptions {
  readonly limits: Limits;
  readonly inflate: Inflate | undefined;
}

export function decodedLine(decoded: Decoded, hint?: string): string {
  if (decoded.kind === 'reject') {
    const { code, availability } = decoded;
    if (availability === undefined) return JSON.stringify({ reject: code });
    const { device, online } = availability;
    return JSON.stringify({ reject: code, availability: { device, online } });
  }
  const { dropped = [], ambiguous = [] } = decoded.losses ?? {};
  return JSON.stringify({
    readings: decoded.readings.map(readingJson),
    ...(dropped.length > 0 ? { dropped } : {}),
    ...(ambiguous.length > 0 ? { ambiguous } : {}),
    ...(hint === undefined ? {} : { hint }),
  });
}

function readingJson(reading: Reading): object {
  const metrics = Object.fromEntries(reading.metrics);
  return { device: reading.device, time: isoFromMicros(reading.timeUs), metrics };
}

/** A line of a capture that is no message: its number, and why. */
export class ReplayLineError extends Error {}

/**
 * Decodes a capture in order, with one decoder state: JSON lines `{topic, payload | payload_hex | payload_gen,
 * retain?, received_at?, content_type?}`. One line out per message. A line that is no message ends it with a
 * `ReplayLineError`.
 */
export async function decodeReplay(
  router: Router,
  lines: AsyncIterable<string>,
  write: (line: string) => void,
  nowMs: () => number,
  hints?: HintOptions,
): Promise<void> {
  let number = 0;
  for await (const line of lines) {
    number++;
    if (line.trim() === '') continue;
    write(decodeOne(router, parseReplayLine(line, number, nowMs), hints));
  }
}

export function parseReplayLine(line: string, number: number, nowMs: () => number): DecodeInput {
  const fail = (why: string): never => {
    throw new ReplayLineError(`line ${number}: ${why}`);
  };
  let entry: unknown;
  try {
    entry = JSON.parse(line);
  } catch {
    return fail('not JSON');
  }
  if (typeof entry !== 'object' || entry === null) return fail('not a JSON object');
  const { topic, retain, received_at, content_type } = entry as Record<string, unknown>;
  if (typeof topic !== 'string' || topic === '') return fail('topic is missing');
  const payload = replayPayload(entry as Record<string, unknown>);
  if (payload === undefined) return fail('needs payload, payload_hex or payload_gen');
  const receivedAtMs = received_at === undefined ? nowMs() : parseReceivedAt(received_at);
  if (receivedAtMs === undefined) return fail('received_at is no ISO time');
  return {
    topic,
    payload,
    retain: retain === true,
    receivedAtMs,
    contentType: typeof content_type === 'string' ? content_type : undefined,
  };
}

/** ISO text, or milliseconds since the epoch. */
export function parseReceivedAt(value: unknown): number | undefined {
  const ms = typeof value === 'number' ? value : typeof value === 'string' ? Date.parse(value) : NaN;
  return Number.isFinite(ms) ? Math.floor(ms) : undefined;
}

function replayPayload(entry: Record<string, unknown>): Uint8Array | undefined {
  const { payload, payload_hex, payload_gen } = entry;
  if (typeof payload === 'string') return new TextEncoder().encode(payload);
  if (typeof payload_hex === 'string')
    return /^(?:[0-9a-f]{2})*$/i.test(payload_hex)
      ? new Uint8Array(Buffer.from(payload_hex, 'hex'))
      : undefined;
  return typeof payload_gen === 'object' && payload_gen !== null
    ? generated(payload_gen as Record<string, unknown>)
    : undefined;
}

/** `prefix + join(unit x count) + mirror x count + suffix`: big payloads in few words. */
function generated(gen: Record<string, unknown>): Uint8Array | undefined {
  const text = (key: string): string => (typeof gen[key] === 'string' ? gen[key] : '');
  const count = gen['count'];
  if (typeof count !== 'number' || !Number.isInteger(count) || count < 0 || count > 50_000_000)
    return undefined;
  const units =
    text('join') === '' ? text('unit').repeat(count) : Array(count).fill(text('unit')).join(text('join'));
  return new TextEncoder().encode(text('prefix') + units + text('mirror').repeat(count) + text('suffix'));
}
