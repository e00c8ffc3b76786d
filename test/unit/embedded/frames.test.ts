import { describe, expect, test } from '@jest/globals';
import fc from '../../support/fast-check.ts';
import { errorResponse, frame } from '../../../src/embedded/gateway/backend.ts';
import { bindValues, integerValue } from '../../../src/embedded/gateway/bind-values.ts';
import { FrameError, FrontendFramer, startupOptions } from '../../../src/embedded/gateway/frontend.ts';
import { OutputCollector } from '../../../src/embedded/gateway/output.ts';
import { durationMs } from '../../../src/embedded/gateway/settings.ts';

function cut(data: Buffer, sizes: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  let at = 0;
  for (let i = 0; at < data.length; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    pieces.push(data.subarray(at, at + size));
    at += size;
  }
  return pieces;
}
const sizes = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 10 });
const messages = fc.array(fc.tuple(fc.integer({ min: 1, max: 255 }), fc.uint8Array({ maxLength: 60 })), {
  maxLength: 20,
});

describe('frontend messages', () => {
  test('arrive whole and in order, however the stream is cut', () => {
    fc.assert(
      fc.property(messages, sizes, (list, cuts) => {
        const frames = list.map(([type, body]) => frame(type, Buffer.from(body)));
        const startup = Buffer.concat([Buffer.from([0, 0, 0, 12, 0, 3, 0, 0]), Buffer.from('a\0b\0')]);
        const seen: Buffer[] = [];
        const framer = new FrontendFramer(
          { startup: () => framer.startupDone(), message: (_type, raw) => seen.push(Buffer.from(raw)) },
          1000,
        );
        for (const piece of cut(Buffer.concat([startup, ...frames]), cuts)) framer.push(piece);
        expect(seen).toEqual(frames);
      }),
    );
  });

  test.each([[Buffer.from([0x51, 0, 0, 0, 3])], [Buffer.from([0x51, 0x7f, 0xff, 0xff, 0xff])]])(
    'a length of %p is refused',
    (bytes) => {
      const framer = new FrontendFramer({ startup: () => {}, message: () => {} }, 1000);
      framer.startupDone();
      expect(() => framer.push(bytes)).toThrow(FrameError);
    },
  );

  test('startup options', () => {
    expect([...startupOptions('-c a=1 --statement-timeout=5s -csearch_path=x\\ y')]).toEqual([
      ['a', '1'],
      ['statement_timeout', '5s'],
      ['search_path', 'x y'],
    ]);
  });
});

describe('engine output', () => {
  const row = (text: string) => frame(0x44, Buffer.from(text));
  const ready = frame(0x5a, Buffer.from('T'));

  test('is the same however it is cut; ReadyForQuery and the engine’s traces are left out', () => {
    const notice = (text: string) => frame(0x4e, 'SWARNING', 'VWARNING', `M${text}`, Buffer.from([0]));
    const wanted = [
      row('one'),
      notice('hello'),
      row('x'.repeat(40_000)),
      errorResponse({ code: '23505', message: 'no' }),
    ];
    const all = Buffer.concat([
      wanted[0]!,
      notice('# 1743: aborting'),
      wanted[1]!,
      wanted[2]!,
      wanted[3]!,
      ready,
    ]);
    fc.assert(
      fc.property(sizes, (cuts) => {
        const collector = new OutputCollector(1e6);
        for (const piece of cut(all, cuts)) collector.write(piece);
        const output = collector.take();
        expect(Buffer.concat(output.chunks).equals(Buffer.concat(wanted))).toBe(true);
        expect(output).toMatchObject({ status: 'T', errorCode: '23505', overflow: false });
      }),
      { numRuns: 20 },
    );
  });

  test('results do not share bytes', () => {
    const collector = new OutputCollector(1e6);
    collector.write(row('first'));
    const first = collector.take().chunks;
    collector.write(row('second'));
    const second = collector.take().chunks;
    expect(Buffer.concat(first)).toEqual(row('first'));
    expect(Buffer.concat(second)).toEqual(row('second'));
  });

  test('above the limit nothing is kept', () => {
    const collector = new OutputCollector(100);
    for (let i = 0; i < 10; i++) collector.write(row('x'.repeat(20)));
    expect(collector.take()).toMatchObject({ overflow: true, chunks: [] });
    collector.write(row('x'));
    expect(collector.take()).toMatchObject({ overflow: false });
  });
});

test('integer parameters in every width', () => {
  const bytes8 = Buffer.alloc(8);
  bytes8.writeBigInt64BE(-5n);
  const bind = Buffer.concat([
    Buffer.from([0, 3, 0, 0, 0, 1, 0, 1, 0, 4]),
    Buffer.from([0, 0, 0, 2]), Buffer.from('42'),
    Buffer.from([0, 0, 0, 4, 0, 0, 0, 7]),
    Buffer.from([0, 0, 0, 8]), bytes8,
    Buffer.from([255, 255, 255, 255]),
  ]); // prettier-ignore
  expect(bindValues(bind, 0).map(integerValue)).toEqual([42n, 7n, -5n, undefined]);
});

test.each([
  ['100', 100],
  ['100ms', 100],
  ['2s', 2000],
  ['1 min', 60_000],
  ['0', 0],
  ['nonsense', 0],
])('the duration %s is %d ms', (text, ms) => {
  expect(durationMs(new Map([['lock_timeout', text]]), 'lock_timeout')).toBe(ms);
});
