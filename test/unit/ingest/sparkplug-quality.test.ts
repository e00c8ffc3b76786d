import { deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import protobuf from 'protobufjs';
import { feed, plain, routerOf } from '../../support/routes.ts';

// Field numbers of the Sparkplug 3.0 schema, chapter 6.
const writer = () => protobuf.Writer.create();

const property = (value: number) => writer().uint32(8).uint32(3).uint32(24).uint32(value).finish();

function metric(
  name: string,
  value: number,
  properties: readonly (readonly [string, number])[] = [],
): Uint8Array {
  const set = writer();
  for (const [key] of properties) set.uint32(10).string(key);
  for (const [, one] of properties) set.uint32(18).bytes(property(one));
  const metric = writer().uint32(10).string(name).uint32(32).uint32(10);
  if (properties.length > 0) metric.uint32(74).bytes(set.finish());
  return metric.uint32(105).double(value).finish();
}

function payload(...metrics: Uint8Array[]): Uint8Array {
  const whole = writer().uint32(8).uint64(Date.parse('2026-01-15T12:00:00Z'));
  for (const one of metrics) whole.uint32(18).bytes(one);
  return whole.finish();
}

const wrapped = (body: Uint8Array): Uint8Array =>
  writer().uint32(34).string('SPBV1.0_COMPRESSED').uint32(42).bytes(body).finish();

const decode = (bytes: Uint8Array, options: object = {}, limits: object = {}) =>
  feed(routerOf([{ preset: 'sparkplug-b', ...options }], limits), {
    topic: 'spBv1.0/G/DDATA/E/D',
    payload_hex: Buffer.from(bytes).toString('hex'),
  });

describe('the property Quality', () => {
  const bytes = payload(
    metric('none', 1),
    metric('good', 2, [['Quality', 192]]),
    metric('bad', 3, [['Quality', 0]]),
    metric('stale', 4, [['Quality', 500]]),
    metric('other', 5, [['Units', 7]]),
    metric('second', 6, [
      ['Units', 192],
      ['Quality', 0],
    ]),
  );

  test('other than good costs the metric, and is counted', () => {
    const decoded = decode(bytes);
    expect(plain(decoded)).toMatchObject([{ device: 'G/E/D', metrics: { none: 1, good: 2, other: 5 } }]);
    expect(decoded).toMatchObject({
      dropped: 3,
      losses: { dropped: ['bad: quality 0', 'stale: quality 500', 'second: quality 0'] },
    });
  });

  test('keep_bad_quality keeps it', () => {
    expect(plain(decode(bytes, { keep_bad_quality: true }))).toMatchObject([
      { metrics: { none: 1, good: 2, bad: 3, stale: 4, other: 5, second: 6 } },
    ]);
  });

  test('nothing good is no reading', () => {
    expect(plain(decode(payload(metric('bad', 3, [['Quality', 0]]))))).toBe('no_metrics');
  });
});

describe('compressed payloads (a habit of Tahu)', () => {
  const inner = payload(metric('a', 21.5));
  test.each<[string, Uint8Array, unknown]>([
    ['GZIP', wrapped(gzipSync(inner)), [{ metrics: { a: 21.5 } }]],
    ['DEFLATE (RFC 1950)', wrapped(deflateSync(inner)), [{ metrics: { a: 21.5 } }]],
    ['cut short', wrapped(gzipSync(inner).subarray(0, 20)), 'parse_error'],
    ['no compressed bytes', wrapped(new Uint8Array([1, 2, 3])), 'parse_error'],
    ['no body', writer().uint32(34).string('SPBV1.0_COMPRESSED').finish(), 'parse_error'],
    ['one inside of another', wrapped(gzipSync(wrapped(gzipSync(inner)))), 'unsupported'],
  ])('%s', (_, bytes, wanted) => {
    const decoded = plain(decode(bytes));
    if (typeof wanted === 'string') expect(decoded).toBe(wanted);
    else expect(decoded).toMatchObject(wanted as object[]);
  });

  test('a bomb stops at max_decompressed', () => {
    expect(plain(decode(wrapped(gzipSync(new Uint8Array(50_000_000)))))).toBe('too_large');
    expect(plain(decode(wrapped(gzipSync(inner)), {}, { max_decompressed: '10B' }))).toBe('too_large');
  });

  test('births are learnt from', () => {
    const birth = payload(
      writer()
        .uint32(10)
        .string('t')
        .uint32(16)
        .uint32(7)
        .uint32(32)
        .uint32(10)
        .uint32(105)
        .double(1)
        .finish(),
    );
    const router = routerOf([{ preset: 'sparkplug-b' }]);
    const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
    feed(router, { topic: 'spBv1.0/G/NBIRTH/E', payload_hex: hex(wrapped(gzipSync(birth))) });
    const data = payload(writer().uint32(16).uint32(7).uint32(105).double(2).finish());
    expect(plain(feed(router, { topic: 'spBv1.0/G/NDATA/E', payload_hex: hex(data) }))).toMatchObject([
      { metrics: { t: 2 } },
    ]);
  });
});
