import { gzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { CODECS } from '../../../src/core/ingest/codec/index.ts';
import { contractBreach } from '../../support/contract.ts';
import { leastCpuMs } from '../../support/cpu-time.ts';
import { FUZZ_TARGETS, UNFUZZED } from '../../support/fuzz-targets.ts';
import { FUZZ_NOW_MS, quarterSecondMs, runFuzz } from '../../support/fuzz.ts';
import { rounds } from '../../support/rounds.ts';
import { routerOf } from '../../support/routes.ts';

describe('thousands of seeded payloads per codec', () => {
  test('every codec has a target', () => expect(UNFUZZED).toEqual([]));

  test.each(FUZZ_TARGETS.map((target) => [target.name, target] as const))(
    '%s',
    (_, target) => {
      const report = runFuzz(target, rounds(4000, 200_000), 4);
      expect(report.breaches).toEqual([]);
      expect(report.slowestMs).toBeLessThan(quarterSecondMs());
      // Mutation must leave some payloads whole, or nothing behind the parser was tried.
      expect(report.readings).toBeGreaterThan(100);
    },
    120_000,
  );
});

const repeat = (hex: string, count: number) => new Uint8Array(Buffer.from(hex.repeat(count), 'hex'));
const text = (value: string) => new TextEncoder().encode(value);
const join = (...parts: Uint8Array[]) => new Uint8Array(Buffer.concat(parts));
const MIB = 1024 ** 2;

const uniqueKeys = (count: number, write: (index: number) => Buffer): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, index) => write(index)));
const u32 = (index: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(index);
  return bytes;
};

/** Small bytes that ask for much, and big ones that nest, repeat and collide: each with the codecs it is meant for. */
const BOMBS: readonly (readonly [string, string, Uint8Array])[] = [
  ['10 MB of brackets', 'json', repeat('5b', 10 * MIB)],
  ['1 MiB of brackets', 'json', repeat('5b', MIB)],
  ['1 MiB of objects', 'json', text('{"a":'.repeat(200_000))],
  ['70,000 names', 'json', text(`{${Array.from({ length: 70_000 }, (_, i) => `"k${i}":1`).join(',')}}`)],
  [
    'spellings of one alias',
    'json',
    text(`{${Array.from({ length: 35_000 }, (_, i) => `"${spelling(i)}":${i}`).join(',')}}`),
  ],
  [
    'a long name with many children',
    'json',
    text(`{"${'x'.repeat(400_000)}":{${Array.from({ length: 40_000 }, (_, i) => `"${i}":1`).join(',')}}}`),
  ],
  ['one long integer', 'json', text(`{"a":${'9'.repeat(1_000_000)}}`)],
  ['many long integers', 'json', text(`[${'9007199254740993,'.repeat(9_999)}1]`)],
  ['10,000 records of one time', 'json', text(`[${'{"a":1,"b":2},'.repeat(9_999)}{"a":1}]`)],
  ['one long string', 'json', text(`{"time":"${'1'.repeat(1_000_000)}","a":1}`)],
  ['escapes', 'json', text(`{"a":${'1'.repeat(17)},"b":"${'\\\\'.repeat(400_000)}"}`)],
  [
    '70,000 arrays',
    'json',
    text(`{"a":{${Array.from({ length: 70_000 }, (_, i) => `"${i}":[1]`).join(',')}}}`),
  ],
  ['an array of 500,000', 'json', text(`{"a":[${'1,'.repeat(499_999)}1],"b":1}`)],
  [
    '100,000 texts that hold numbers',
    'json',
    text(`{"a":{${Array.from({ length: 100_000 }, (_, i) => `"${i}":"1"`).join(',')}},"b":1}`),
  ],
  ['__proto__', 'json', text('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}')],
  ['digits', 'scalar', repeat('31', MIB)],
  ['blanks', 'scalar', repeat('20', MIB)],
  ['nested arrays', 'cbor', repeat('81', MIB)],
  ['nested indefinite arrays', 'cbor', repeat('9f', MIB)],
  ['nested tags', 'cbor', repeat('c1', MIB)],
  ['arrays of 2^32', 'cbor', repeat('9affffffff', 1000)],
  ['a map of 2^64', 'cbor', repeat('bbffffffffffffffff', 10)],
  ['text of 2^64', 'cbor', repeat('7bffffffffffffffff', 1)],
  ['a bignum of 1 MiB', 'cbor', join(repeat('a16161c25a000ffff0', 1), repeat('ff', 0xffff0))],
  [
    '150,000 keys',
    'cbor',
    join(
      repeat('ba000249f0', 1),
      uniqueKeys(150_000, (i) => Buffer.concat([Buffer.from([0x1a]), u32(i), Buffer.from([1])])),
    ),
  ],
  ['a million items', 'cbor', join(repeat('9a000fff00', 1), repeat('01', 0xfff00))],
  ['nested array32 of 20 million', 'msgpack', repeat('dd01312d00', 32)],
  ['nested arrays', 'msgpack', repeat('91', MIB)],
  ['a map of 2^32', 'msgpack', repeat('dfffffffff', 100)],
  ['bin of 2^32', 'msgpack', repeat('c6ffffffff', 1)],
  ['record definitions', 'msgpack', repeat('d4724091a16101', 10)],
  [
    '150,000 keys',
    'msgpack',
    join(
      repeat('df000249f0', 1),
      uniqueKeys(150_000, (i) => Buffer.concat([Buffer.from([0xce]), u32(i), Buffer.from([1])])),
    ),
  ],
  ['a million items', 'msgpack', join(repeat('dd000fff00', 1), repeat('01', 0xfff00))],
  ['nested messages', 'protobuf', nestedMessages(3000)],
  ['packed numbers', 'protobuf', join(repeat('22f0ff3f', 1), repeat('01', 0xffff0))],
  ['500,000 empty strings', 'protobuf', repeat('0a00', 500_000)],
  ['50,000 records', 'senml', text(`[${'{},'.repeat(50_000)}{}]`)],
  ['10,000 records', 'senml', text(`[{"bn":"d","n":"a"},${'{"v":1,"t":-1},'.repeat(9_998)}{}]`)],
  ['1 MiB of brackets', 'senml', repeat('5b', MIB)],
  ['a million lines', 'line-protocol', repeat('0a', MIB - 1)],
  ['bad lines', 'line-protocol', text('a\n'.repeat(500_000))],
  ['strings without an end', 'line-protocol', text('a b="\n'.repeat(150_000))],
  ['backslashes', 'line-protocol', repeat('5c', MIB)],
  [
    'many tags',
    'line-protocol',
    text(`a,${Array.from({ length: 80_000 }, (_, i) => `t${i}=1`).join(',')} v=1`),
  ],
  [
    'many fields',
    'line-protocol',
    text(`a,host=h ${Array.from({ length: 80_000 }, (_, i) => `f${i}=1`).join(',')}`),
  ],
  ['500,000 rows', 'csv', text('1\n'.repeat(500_000))],
  ['one row of 500,000', 'csv', text(`a\n${'1;'.repeat(500_000)}`)],
  ['a quote without an end', 'csv', text(`a\n"${'1'.repeat(1_000_000)}`)],
  ['many quotes', 'csv', text(`a\n${'""'.repeat(500_000)}`)],
  ['many matches in a line', 'pattern', text('A=1'.repeat(300_000))],
  ['many lines', 'pattern', text('A=1\n'.repeat(250_000))],
  ['no match in a long line', 'pattern', text('A'.repeat(1_000_000))],
  ['300,000 channels', 'cayenne-lpp', repeat('010001', 300_000)],
  ['500,000 metrics', 'sparkplug-b', repeat('1200', 500_000)],
  ['nested groups', 'sparkplug-b', repeat('7b', MIB)],
  ['nested structs', 'chirpstack-protobuf', repeat('5a7f', 4000)],
  ['brackets', 'auto', repeat('5b', MIB)],
  ['nested arrays', 'auto', repeat('81', MIB)],
];

function spelling(index: number): string {
  return [...'barometric_pressure']
    .map((char, bit) => ((index >> bit) & 1 ? char.toUpperCase() : char))
    .join('');
}

function nestedMessages(levels: number): Uint8Array {
  let bytes = Buffer.from('0a0161', 'hex');
  for (let level = 0; level < levels; level++) {
    const length: number[] = [];
    for (let rest = bytes.length; ; rest >>>= 7) {
      length.push(rest > 0x7f ? (rest & 0x7f) | 0x80 : rest);
      if (rest <= 0x7f) break;
    }
    bytes = Buffer.concat([Buffer.from([0x32, ...length]), bytes]);
  }
  return new Uint8Array(bytes);
}

describe('bombs are refused, or read within the limits', () => {
  test('every codec has some', () => {
    const tried = new Set(BOMBS.map(([, codec]) => codec));
    expect(CODECS.map(({ name }) => name).filter((name) => !tried.has(name))).toEqual([]);
  });

  test.each(BOMBS)('%s for %s', (_, codec, payload) => {
    const target = FUZZ_TARGETS.find(({ name }) => name === codec);
    const router = routerOf([target?.route]);
    const message = { topic: target?.topic ?? '', payload, retain: false, receivedAtMs: FUZZ_NOW_MS };
    const ms = leastCpuMs(2, () =>
      expect(contractBreach(router.decode(message), FUZZ_NOW_MS)).toBeUndefined(),
    );
    expect(ms).toBeLessThan(quarterSecondMs());
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  test('gzip: a bomb stops at max_decompressed', () => {
    const router = routerOf([{ codec: 'json', topic: 'f/{device}', compression: 'auto' }]);
    const decode = (payload: Uint8Array) =>
      router.decode({ topic: 'f/n1', payload, retain: false, receivedAtMs: FUZZ_NOW_MS });
    const bomb = gzipSync(Buffer.alloc(200 * MIB));
    const before = process.memoryUsage().arrayBuffers;
    expect(decode(bomb)).toMatchObject({ code: 'too_large' });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(50 * MIB);
    expect(decode(bomb.subarray(0, 100))).toMatchObject({ code: 'parse_error' });
    expect(decode(gzipSync(''))).toMatchObject({ code: 'empty_payload' });
  });
});
