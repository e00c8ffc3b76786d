import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import protobuf from 'protobufjs';
import { CODECS } from '../../src/core/ingest/codec/index.ts';
import type { FuzzTarget } from './fuzz.ts';

const text = (...lines: string[]): Uint8Array[] => lines.map((line) => new TextEncoder().encode(line));
const hex = (...lines: string[]): Uint8Array[] =>
  lines.map((line) => new Uint8Array(Buffer.from(line, 'hex')));

interface Case {
  readonly preset: string;
  readonly payload?: string;
  readonly payload_hex?: string;
  readonly setup?: readonly Case[];
}

/** The payloads of the worked cases of one preset. Compiled for `npm run fuzz` it lies elsewhere, so the folder is npm's. */
function worked(preset: string): Uint8Array[] {
  const lines = readFileSync(resolve('test/fixtures/payload-cases.jsonl'), 'utf8');
  const cases = lines
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Case)
    .filter((one) => one.preset === preset)
    .flatMap((one) => [one, ...(one.setup ?? [])]);
  return cases.flatMap((one) =>
    [...text(one.payload ?? ''), ...hex(one.payload_hex ?? '')].filter((b) => b.length > 0),
  );
}

const PROTO =
  'syntax = "proto3"; message Reading { string device = 1; uint64 ts_ms = 2; float temperature = 3; ' +
  'repeated sint32 rssi = 4; map<string, double> more = 5; Reading nested = 6; }';

const CBOR = hex(
  'a26b74656d7065726174757265fb40358000000000006868756d69646974791830',
  'a2616101616282f93c00fa41419999',
  'bf6274731a6968d7c06161c249010000000000000000ff',
  '82a16161f97c00a1617420',
);
const MSGPACK = hex(
  '82ab74656d7065726174757265cb4035800000000000a868756d696469747930',
  '82a27473d6ff6968d7c0a161ca41419999',
  '9281a16101de0001a162cf00ffffffffffffff',
);

/** ChirpStack's UplinkEvent, as far as it matters, by its field numbers. */
export function chirpstackUplink(temperature: number): Uint8Array {
  const seconds = Date.parse('2026-01-15T12:00:00Z') / 1000;
  const value = protobuf.Writer.create().uint32(17).double(temperature).finish();
  const entry = protobuf.Writer.create().uint32(10).string('temperature').uint32(18).bytes(value).finish();
  return protobuf.Writer.create()
    .uint32(18)
    .bytes(protobuf.Writer.create().uint32(8).int64(seconds).uint32(16).int32(123_456_789).finish())
    .uint32(26)
    .bytes(protobuf.Writer.create().uint32(66).string('0101010101010101').finish())
    .uint32(90)
    .bytes(protobuf.Writer.create().uint32(10).bytes(entry).finish())
    .uint32(98)
    .bytes(protobuf.Writer.create().uint32(48).int32(-36).uint32(61).float(10.5).finish())
    .finish();
}

/** One target per codec. */
export const FUZZ_TARGETS: readonly FuzzTarget[] = [
  { name: 'json', route: { topic: 'f/{device}' }, topic: 'f/n1', samples: worked('json') },
  {
    name: 'scalar',
    route: { topic: 'f/{device}/{metric}' },
    topic: 'f/n1/temp',
    samples: text('21.5', ' -3.2e4\n', 'true', '+.5'),
  },
  { name: 'cbor', route: { topic: 'f/{device}' }, topic: 'f/n1', samples: CBOR },
  { name: 'msgpack', route: { topic: 'f/{device}' }, topic: 'f/n1', samples: MSGPACK },
  {
    name: 'protobuf',
    route: { topic: 'f/{x}', proto: PROTO, message: 'Reading' },
    topic: 'f/n1',
    samples: hex(
      '0a066e6f64652d3710fbd095ffbc311dcdcca841208d01',
      '0a0161320a1dcdcca8412204010203042a0c0a01781100000000000000f03f',
    ),
  },
  { name: 'senml', route: { topic: 'f/{x}' }, topic: 'f/n1', samples: worked('senml') },
  {
    name: 'line-protocol',
    route: { topic: 'f/{x}', device_tag: 'host', precision: 'us' },
    topic: 'f/n1',
    samples: worked('line-protocol'),
  },
  { name: 'cayenne-lpp', route: { topic: 'f/{device}' }, topic: 'f/n1', samples: worked('cayenne-lpp') },
  {
    name: 'csv',
    route: { topic: 'f/{device}', csv: { header: true, separator: ';', decimal: ',' } },
    topic: 'f/n1',
    samples: text('a;b\n1,5;2', 'time;"t;x"\r\n2026-01-15T12:00:00Z;"3,5"\r\n;4'),
  },
  {
    name: 'pattern',
    route: { topic: 'f/{device}', pattern: '(?P<a>[A-Z]+)=(?P<b>[-0-9.]+)' },
    topic: 'f/n1',
    samples: text('T=9,H=80', 'X=-1.5\nY=2'),
  },
  {
    name: 'sparkplug-b',
    route: { topic: 'spBv1.0/#', request_rebirth: true },
    topic: 'spBv1.0/G1/DDATA/E1/D1',
    samples: worked('sparkplug-b'),
  },
  {
    name: 'chirpstack-protobuf',
    route: { topic: 'f/{x}/up', preset: 'chirpstack-v4', encoding: 'protobuf' },
    topic: 'f/n1/up',
    samples: [chirpstackUplink(21.5), chirpstackUplink(-3)],
  },
  {
    name: 'auto',
    route: { topic: 'f/{device}/{metric}', compression: 'auto' },
    topic: 'f/n1/x',
    samples: [...CBOR, ...MSGPACK, ...worked('json'), ...worked('senml'), ...worked('line-protocol')],
  },
].map(({ route, ...target }) => ({ ...target, route: { codec: target.name, ...route } }));

export const UNFUZZED = CODECS.map((codec) => codec.name).filter(
  (name) => !FUZZ_TARGETS.some((target) => target.name === name),
);
