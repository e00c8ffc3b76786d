import { describe, expect, test } from '@jest/globals';
import fc from '../../support/fast-check.ts';
import { rounds } from '../../support/rounds.ts';
import { nestsDeeper } from '../../../src/core/ingest/codec/depth.ts';
import { mayHaveLostDigits, parseExact } from '../../../src/core/ingest/codec/json-exact.ts';
import { shiftDecimal } from '../../../src/core/ingest/mapping/instant.ts';
import { shortestFloat32 } from '../../../src/core/ingest/mapping/value.ts';
import { contractBreach } from '../../support/contract.ts';
import { routerOf } from '../../support/routes.ts';

const NOW_MS = Date.parse('2026-01-15T12:00:00Z');
const runs = (seed: number, numRuns = rounds(300, 2000)) => ({ seed, numRuns });

const ROUTES = [
  { codec: 'json', topic: 'json/{device}' },
  { codec: 'json', topic: 'nodevice/json', timezone: 'Europe/Berlin', on_bad_time: 'received' },
  { codec: 'json', topic: 'items/{device}', items: '/a', pivot: { items: '/b', name: '/n', value: '/v' } },
  { codec: 'json', topic: 'paths/{x...}', device_path: '/a/b', time: { path: '/a/c' }, metrics_path: '/a' },
  { codec: 'json', topic: 'gz/{device}', compression: 'auto' },
  { codec: 'scalar', topic: 'scalar/{device}/{metric}' },
];
const topics = fc.constantFrom(
  'json/n1',
  'nodevice/json',
  'items/n1',
  'paths/a/b',
  'gz/n1',
  'scalar/n1/temp',
);

describe('whatever the payload, the result is within the contract', () => {
  const router = routerOf(ROUTES);
  const decode = (topic: string, payload: Uint8Array, retain: boolean) =>
    expect(
      contractBreach(router.decode({ topic, payload, retain, receivedAtMs: NOW_MS }), NOW_MS),
    ).toBeUndefined();

  test('bytes', () => {
    const payloads = fc.uint8Array({ maxLength: 200 });
    fc.assert(fc.property(topics, payloads, fc.boolean(), decode), runs(11));
  });

  test('JSON values', () => {
    const key = fc.oneof(
      fc.constantFrom(
        'time',
        'ts',
        'id',
        'device',
        'temperature',
        'tempf',
        'a',
        'b',
        'c',
        '__proto__',
        'constructor',
      ),
      fc.string({ unit: 'binary', maxLength: 140 }),
    );
    const leaf = fc.oneof(
      fc.double(),
      fc.maxSafeInteger(),
      fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }).map((value) => `@${value}@`),
      fc.boolean(),
      fc.constant(null),
      fc.string({ unit: 'binary' }),
      fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
      fc.integer({ min: NOW_MS - 1e9, max: NOW_MS + 1e7 }),
    );
    const { value } = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        leaf,
        fc.array(tie('value'), { maxLength: 6 }),
        fc.dictionary(key, tie('value'), { maxKeys: 8 }),
      ),
    }));
    const bytes = value.map((one) =>
      // Bigints go in as bare digits.
      new TextEncoder().encode(JSON.stringify(one).replace(/"@(-?\d+)@"/g, '$1')),
    );
    fc.assert(fc.property(topics, bytes, fc.boolean(), decode), runs(12));
  });

  test('topics', () => {
    const topic = fc.string({ unit: 'binary', maxLength: 300 });
    const payload = new TextEncoder().encode('{"temperature":1}');
    fc.assert(
      fc.property(topic, fc.constantFrom('json/', 'scalar/n1/', 'paths/', ''), (text, prefix) => {
        decode(prefix + text, payload, false);
        decode(prefix + text, new TextEncoder().encode('1.5'), false);
      }),
      runs(13),
    );
  });
});

describe('parts', () => {
  test('exact reading of JSON differs from JSON.parse in long integers only', () => {
    const plainDeep = (value: unknown): unknown =>
      JSON.parse(JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? Number(one) : one)));
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), (text) => {
        expect(plainDeep(parseExact(text))).toEqual(plainDeep(JSON.parse(text)));
      }),
      runs(14),
    );
    expect(parseExact('{"a":[18446744073709551615,-1,{"b":"\\"]"}],"c":{}}')).toEqual(
      Object.assign(Object.create(null), {
        a: [18446744073709551615n, -1, Object.assign(Object.create(null), { b: '"]' })],
        c: Object.create(null),
      }),
    );
    expect(mayHaveLostDigits({ a: 0.1 + 0.2 })).toBe(false);
  });

  test('depth', () => {
    const depthOf = (value: unknown): number =>
      typeof value !== 'object' || value === null ? 0 : 1 + Math.max(0, ...Object.values(value).map(depthOf));
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.nat(6), (value, max) => {
        const bytes = new TextEncoder().encode(JSON.stringify(value));
        expect(nestsDeeper(bytes, max)).toBe(depthOf(value) > max);
      }),
      runs(15),
    );
  });

  test('decimal text is shifted and truncated exactly', () => {
    fc.assert(
      fc.property(fc.nat(4_000_000_000), fc.nat(999_999_999), (seconds, nanos) => {
        const text = `${seconds}.${String(nanos).padStart(9, '0')}`;
        expect(shiftDecimal(text, 6)).toBe(seconds * 1_000_000 + Math.floor(nanos / 1000));
        expect(shiftDecimal(`${text.replace('.', '')}`, -3)).toBe(
          seconds * 1_000_000 + Math.floor(nanos / 1000),
        );
      }),
      runs(16),
    );
  });

  test('32-bit floats get their shortest decimal', () => {
    expect([12.1, 21.1, 0.1, 1e-10, 3.4e38].map((x) => shortestFloat32(Math.fround(x)))).toEqual([
      12.1, 21.1, 0.1, 1e-10, 3.4e38,
    ]);
    fc.assert(
      fc.property(fc.float({ noNaN: true }), (value) => {
        expect(Math.fround(shortestFloat32(value)) === value).toBe(true);
      }),
      runs(17),
    );
  });
});
