import { emptyDoc } from '../mapping/document.ts';
import { LossTally, setMetric } from '../mapping/losses.ts';
import { type CodecKind, type Payload, rejectPayload } from './codec.ts';

interface Kind {
  readonly name: string;
  /** Bytes per value, big endian. */
  readonly bytes: 1 | 2 | 3 | 4;
  readonly signed: boolean;
  /** Units per count: values are divided by it, which keeps 27.2 what it is. */
  readonly per: number;
  /** The parts of a value that has several. */
  readonly parts?: readonly string[];
  /** Per part, where they differ. */
  readonly pers?: readonly number[];
}

const one = (name: string, bytes: Kind['bytes'], per: number, signed = false): Kind => ({
  name,
  bytes,
  per,
  signed,
});
const XYZ = ['x', 'y', 'z'];

// Types are the IPSO object ids less 3200; the myDevices README has the first twelve, its successors the rest.
const KINDS: ReadonlyMap<number, Kind> = new Map<number, Kind>([
  [0, one('digital_in', 1, 1)],
  [1, one('digital_out', 1, 1)],
  [2, one('analog_in', 2, 100, true)],
  [3, one('analog_out', 2, 100, true)],
  [100, one('generic', 4, 1)],
  [101, one('luminosity', 2, 1)],
  [102, one('presence', 1, 1)],
  [103, one('temperature', 2, 10, true)],
  [104, one('humidity', 1, 2)],
  [113, { name: 'accelerometer', bytes: 2, per: 1000, signed: true, parts: XYZ }],
  [115, one('pressure', 2, 10)],
  [116, one('voltage', 2, 100)],
  [117, one('current', 2, 1000)],
  [118, one('frequency', 4, 1)],
  [120, one('percentage', 1, 1)],
  [121, one('altitude', 2, 1, true)],
  [125, one('concentration', 2, 1)],
  [128, one('power', 2, 1)],
  [130, one('distance', 4, 1000)],
  [131, one('energy', 4, 1000)],
  [132, one('direction', 2, 1)],
  [133, one('unixtime', 4, 1)],
  [134, { name: 'gyrometer', bytes: 2, per: 100, signed: true, parts: XYZ }],
  [135, { name: 'colour', bytes: 1, per: 1, signed: false, parts: ['r', 'g', 'b'] }],
  [
    136,
    {
      name: 'gps',
      bytes: 3,
      per: 10_000,
      signed: true,
      parts: ['latitude', 'longitude', 'altitude'],
      pers: [10_000, 10_000, 100],
    },
  ],
  [142, one('switch', 1, 1)],
]);

/** One channel alone makes a core metric; several keep their numbers. */
const CORE = new Set(['temperature', 'humidity', 'pressure']);

interface Value {
  readonly kind: Kind;
  readonly channel: number;
  readonly numbers: readonly number[];
}

function readValues(bytes: Uint8Array, most: number): Value[] | undefined {
  const values: Value[] = [];
  let at = 0;
  // One more than may be stored is enough to know that it is too many.
  while (at < bytes.length && values.length <= most) {
    const channel = bytes[at] ?? 0;
    const kind = KINDS.get(bytes[at + 1] ?? -1);
    // The length is in the type: behind an unknown one nothing can be read.
    if (kind === undefined) return undefined;
    const count = kind.parts?.length ?? 1;
    const start = at + 2;
    at = start + count * kind.bytes;
    if (at > bytes.length) return undefined;
    const numbers = Array.from(
      { length: count },
      (_, part) => bigEndian(bytes, start + part * kind.bytes, kind) / (kind.pers?.[part] ?? kind.per),
    );
    values.push({ kind, channel, numbers });
  }
  return values;
}

function bigEndian(bytes: Uint8Array, from: number, { bytes: width, signed }: Kind): number {
  let value = 0;
  for (let index = 0; index < width; index++) value = value * 256 + (bytes[from + index] ?? 0);
  return signed && value >= 2 ** (8 * width - 1) ? value - 2 ** (8 * width) : value;
}

function nameValues(values: readonly Value[], losses: LossTally): Record<string, unknown> {
  const channels = new Map<string, Set<number>>();
  for (const { kind, channel } of values)
    channels.set(kind.name, (channels.get(kind.name) ?? new Set()).add(channel));
  const metrics = emptyDoc();
  for (const { kind, channel, numbers } of values) {
    const alone = CORE.has(kind.name) && channels.get(kind.name)?.size === 1;
    const name = alone ? kind.name : `${kind.name}_${channel}`;
    numbers.forEach((value, part) => {
      setMetric(metrics, kind.parts === undefined ? name : `${name}_${kind.parts[part]}`, value, losses);
    });
  }
  return metrics;
}

/** Cayenne Low Power Payload: channel, type, value, again and again. */
function decodeCayenne(bytes: Uint8Array, most: number): Payload {
  const values = readValues(bytes, most);
  if (values === undefined) return rejectPayload('parse_error', 'not Cayenne LPP: unknown type or cut short');
  if (values.length > most) return rejectPayload('too_large', 'more metrics than limits.max_metrics');
  const losses = new LossTally();
  const metrics = nameValues(values, losses);
  return { kind: 'records', records: { record: emptyDoc(), metrics, verbatim: true, losses } };
}

export const cayenneLpp: CodecKind = {
  name: 'cayenne-lpp',
  summary: 'Cayenne Low Power Payload, as LoRaWAN devices send it',
  device: 'none',
  statesUnits: true,
  preset: {},
  create: () => ({ decode: (bytes, { limits }) => decodeCayenne(bytes, limits.max_metrics) }),
};
