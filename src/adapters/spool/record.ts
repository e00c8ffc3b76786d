import { deserialize, serialize } from 'node:v8';
import { crc32 } from 'node:zlib';
import { withEarlierFence } from '../../core/alert/cluster/earlier-fence.ts';
import { withKeys } from '../../core/alert/engine/alert-key.ts';
import { withoutCopies } from '../../core/alert/engine/copied-numbers.ts';
import type { SpoolAmount, SpoolLane, SpoolRecord } from '../../ports/spool.ts';

/**
 * A record on disk. The key holds what counting needs (lane, position, time, items, bytes), so that opening a large spool
 * decodes nothing. The value is one byte of format, four of checksum, and the record in V8's own serialisation, which
 * is made to be kept on disk and read by later versions.
 */
export interface RecordKey {
  readonly lane: SpoolLane;
  readonly seq: number;
  readonly atMs: number;
  readonly items: number;
  readonly bytes: number;
}

/** Lanes by the first letter of their keys, parked ones by a second; `t` marks published lines; `w` belongs to WatermarkLog. */
const LETTERS = { alerts: 'a', unresolved: 'u', readings: 'r' } as const;
const PARKED = 'p';
const NOTIFIED = 't';
const FORMAT = 1;
const HEADER = 5;

const position = (seq: number) => String(seq).padStart(14, '0');

export const keyOf = ({ lane, seq, atMs, items, bytes }: RecordKey): string =>
  `${LETTERS[lane]}${position(seq)}:${atMs}:${items}:${bytes}`;
export const parkedKeyOf = (key: RecordKey): string => `${PARKED}${keyOf(key)}`;
export const notifiedKeyOf = (seq: number): string => `${NOTIFIED}${position(seq)}`;

/** Where the keys of a lane lie: `gte` and `lt` of an iterator. */
export const rangeOf = (lane: SpoolLane, fromSeq = 0) => ({
  gte: `${LETTERS[lane]}${position(fromSeq)}`,
  lt: `${LETTERS[lane]};`,
});
export const PARKED_RANGE = { gte: PARKED, lt: `${PARKED}~` } as const;

const KEY = /^(p?)([aur])(\d{14}):(\d+):(\d+):(\d+)$/;

/** Undefined for the key of a mark. */
export function parseKey(text: string): { readonly parked: boolean; readonly key: RecordKey } | undefined {
  const match = KEY.exec(text);
  if (match === null) return undefined;
  const [, parked, letter, seq, atMs, items, bytes] = match;
  const lane = (Object.keys(LETTERS) as SpoolLane[]).find((name) => LETTERS[name] === letter);
  if (lane === undefined) return undefined;
  const key = { lane, seq: Number(seq), atMs: Number(atMs), items: Number(items), bytes: Number(bytes) };
  return { parked: parked !== '', key };
}

export function encode(record: SpoolRecord): Buffer {
  return seal(serialize(record));
}

/** Undefined for bytes that are not what `encode` wrote. */
export function decode(bytes: Uint8Array): SpoolRecord | undefined {
  const body = unseal(bytes);
  if (body === undefined) return undefined;
  const record = deserialize(body) as SpoolRecord;
  return { ...record, alerts: withoutCopies(withEarlierFence(withKeys(record.alerts))) };
}

/** Format and checksum before what is kept. */
export function seal(body: Buffer): Buffer {
  const header = Buffer.alloc(HEADER);
  header.writeUInt8(FORMAT, 0);
  header.writeUInt32LE(crc32(body), 1);
  return Buffer.concat([header, body]);
}

/** Undefined for bytes that are not what `seal` made. */
export function unseal(bytes: Uint8Array): Buffer | undefined {
  const value = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (value.length <= HEADER || value.readUInt8(0) !== FORMAT) return undefined;
  const body = value.subarray(HEADER);
  return crc32(body) === value.readUInt32LE(1) ? body : undefined;
}

export const NOTHING: SpoolAmount = { records: 0, items: 0, bytes: 0 };

export const plus = (amount: SpoolAmount, { items, bytes }: RecordKey, sign: 1 | -1 = 1): SpoolAmount => ({
  records: amount.records + sign,
  items: amount.items + sign * items,
  bytes: amount.bytes + sign * bytes,
});
