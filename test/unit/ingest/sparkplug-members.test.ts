import { gzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import protobuf from 'protobufjs';
import { type WatchedRoute, feed, plain, routerOf } from '../../support/routes.ts';
import { NOW_MS, NOW_US } from './member-payloads.ts';

const writer = () => protobuf.Writer.create();
type Write = (to: protobuf.Writer) => protobuf.Writer;

const metric = (name: string | undefined, datatype: number | undefined, write: Write): Uint8Array => {
  const to = writer();
  if (name !== undefined) to.uint32(10).string(name);
  if (datatype !== undefined) to.uint32(32).uint32(datatype);
  return write(to).finish();
};
const payload = (...metrics: Uint8Array[]): Uint8Array => {
  const whole = writer().uint32(8).uint64(NOW_MS);
  for (const one of metrics) whole.uint32(18).bytes(one);
  return whole.finish();
};
const double =
  (value: number): Write =>
  (to) =>
    to.uint32(105).double(value);
const int =
  (value: number): Write =>
  (to) =>
    to.uint32(80).uint32(value >>> 0);
const long =
  (value: bigint): Write =>
  (to) =>
    to.uint32(88).uint64(
      protobuf.util.LongBits.from({
        low: Number(value & 0xffff_ffffn) | 0,
        high: Number(value >> 32n) | 0,
        unsigned: true,
      }).toLong(true),
    );
const alias =
  (number: number, write: Write): Write =>
  (to) =>
    write(to.uint32(16).uint32(number));
const bytes = (body: Uint8Array): WatchedRoute => ({ payload_hex: Buffer.from(body).toString('hex') });

describe('Sparkplug', () => {
  const data = (...metrics: Uint8Array[]) => {
    const router = routerOf([{ preset: 'sparkplug-b' }]);
    const decoded = feed(router, { topic: 'spBv1.0/G/DDATA/E/D', ...bytes(payload(...metrics)) });
    const readings = plain(decoded);
    return {
      stored: Array.isArray(readings) ? readings.map((one: { metrics: object }) => one.metrics) : readings,
      lost: decoded.kind === 'reject' ? undefined : decoded.losses?.dropped,
    };
  };

  test('unsigned and signed integers at the ends of their range', () => {
    const written = [
      metric('i8', 1, int(-23)),
      metric('u8', 5, int(250)),
      metric('i16', 2, int(-30000)),
      metric('u16', 6, int(65535)),
      metric('i32', 3, int(-1)),
      metric('u32', 7, long(4294967295n)),
      metric('i64', 4, long(18446744073709551611n)),
    ];
    expect(data(...written).stored).toEqual([
      { i8: -23, u8: 250, i16: -30000, u16: 65535, i32: -1, u32: 4294967295, i64: -5 },
    ]);
  });

  test('a data set and a template are counted, and cost nothing else', () => {
    const compound =
      (field: number): Write =>
      (to) =>
        to.uint32(field * 8 + 2).bytes(Uint8Array.of(8, 1));
    expect(
      data(metric('ok', 10, double(1)), metric('set', 16, compound(17)), metric('udt', 19, compound(18))),
    ).toEqual({
      stored: [{ ok: 1 }],
      lost: ['set', 'udt'],
    });
  });

  test('null beside a value, and a historical value by its own time', () => {
    const nothing: Write = (to) => to.uint32(56).bool(true);
    const late = writer()
      .uint32(10)
      .string('level')
      .uint32(24)
      .uint64(NOW_MS - 60_000)
      .uint32(32)
      .uint32(10);
    late.uint32(40).bool(true).uint32(105).double(3);
    const router = routerOf([{ preset: 'sparkplug-b' }]);
    const body = payload(metric('gone', 10, nothing), late.finish(), metric('level', 10, double(4)));
    expect(plain(feed(router, { topic: 'spBv1.0/G/NDATA/E', ...bytes(body) }))).toEqual([
      { device: 'G/E', time: NOW_US - 60_000_000, metrics: { level: 3 } },
      { device: 'G/E', time: NOW_US, metrics: { level: 4 } },
    ]);
  });

  test('a rebirth gives an alias another name', () => {
    const router = routerOf([{ preset: 'sparkplug-b' }]);
    const born = (name: string) =>
      feed(router, {
        topic: 'spBv1.0/G/DBIRTH/E/D',
        ...bytes(payload(metric(name, 10, alias(4, double(1))))),
      });
    const later = () =>
      plain(
        feed(router, {
          topic: 'spBv1.0/G/DDATA/E/D',
          ...bytes(payload(metric(undefined, undefined, alias(4, double(2))))),
        }),
      );
    born('Level');
    expect(later()).toMatchObject([{ metrics: { Level: 2 } }]);
    born('Flow');
    expect(later()).toMatchObject([{ metrics: { Flow: 2 } }]);
  });

  const property = (type: number, value: Write) => value(writer().uint32(8).uint32(type)).finish();
  const withQuality = (name: string, one: Uint8Array): Uint8Array => {
    const set = writer().uint32(10).string('Quality').uint32(18).bytes(one).finish();
    return metric(name, 10, (to) => to.uint32(74).bytes(set).uint32(105).double(1));
  };

  test('Quality in any type of integer, or null', () => {
    const ofProperty: Record<string, Uint8Array> = {
      good64: property(4, (to) => to.uint32(32).uint64(192)),
      stale64: property(4, (to) => to.uint32(32).uint64(500)),
      negative: property(3, (to) => to.uint32(24).uint32(-1 >>> 0)),
      unknown: property(3, (to) => to.uint32(16).bool(true)),
    };
    const { stored } = data(...Object.entries(ofProperty).map(([name, one]) => withQuality(name, one)));
    expect(stored).toEqual([{ good64: 1, unknown: 1 }]);
  });

  test('a compressed birth teaches names as a plain one', () => {
    const router = routerOf([{ preset: 'sparkplug-b' }]);
    const inner = gzipSync(payload(metric('Level', 3, alias(9, int(1)))));
    const body = writer().uint32(34).string('SPBV1.0_COMPRESSED').uint32(42).bytes(inner).finish();
    feed(router, { topic: 'spBv1.0/G/NBIRTH/E', ...bytes(body) });
    const next = payload(metric(undefined, undefined, alias(9, int(-7))));
    expect(plain(feed(router, { topic: 'spBv1.0/G/NDATA/E', ...bytes(next) }))).toMatchObject([
      { metrics: { Level: -7 } },
    ]);
  });
});
