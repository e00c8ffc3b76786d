import { expect, test } from '@jest/globals';
import fc from '../../support/fast-check.ts';
import {
  type HeldNumber,
  type ReorderBuffer,
  EMPTY_BUFFER,
  releasable,
  releaseDueMs,
} from '../../../src/core/alert/engine/reorder-buffer.ts';

const L_US = 10_000_000;

type Step = { readonly add: HeldNumber } | { readonly nowMs: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    add: fc.record({
      timeUs: fc.integer({ min: 0, max: 40 }).map((s) => s * 1e6),
      value: fc.integer({ min: 0, max: 2 }),
      receivedAtMs: fc.integer({ min: 0, max: 40 }).map((s) => s * 1000),
    }),
  }),
  fc.record({ nowMs: fc.integer({ min: 0, max: 60 }).map((s) => s * 1000) }),
);

const plainReleasable = (held: readonly HeldNumber[], newestUs: number, nowMs: number) =>
  held.findLastIndex(({ timeUs, receivedAtMs }) => newestUs - L_US >= timeUs || nowMs * 1000 >= receivedAtMs * 1000 + L_US) + 1; // prettier-ignore

test('numbers that wait are those of a plain sorted list, and no earlier view of them changes', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let [held, plain] = [EMPTY_BUFFER, [] as readonly HeldNumber[]];
      const seen: (readonly [ReorderBuffer, readonly HeldNumber[]])[] = [];
      for (const each of steps) {
        if ('add' in each) {
          const { add } = each;
          const same = plain.find(({ timeUs }) => timeUs === add.timeUs);
          const next = held.fork();
          const outcome = next.add(add.timeUs, add.value, add.receivedAtMs);
          if (same !== undefined) expect(outcome).toBe(same.value === add.value ? 'duplicate' : 'late');
          if (outcome !== 'held') continue;
          plain = [...plain, add].toSorted((a, b) => a.timeUs - b.timeUs);
          held = next;
          // A second one from the same beginning: a batch that is evaluated again.
          if (add.value === 0) {
            held = (seen.at(-1)?.[0] ?? EMPTY_BUFFER).fork();
            held.add(add.timeUs, add.value, add.receivedAtMs);
          }
        } else {
          const newestUs = plain.at(-1)?.timeUs ?? 0;
          const count = plainReleasable(plain, newestUs, each.nowMs);
          expect(releasable(held, newestUs, each.nowMs, L_US)).toBe(count);
          held = held.fork();
          held.drop(count);
          plain = plain.slice(count);
        }
        expect([held.firstUs, held.lastUs]).toEqual([plain[0]?.timeUs, plain.at(-1)?.timeUs]);
        const dueMs = Math.min(Infinity, ...plain.map(({ receivedAtMs }) => receivedAtMs + L_US / 1000));
        expect(releaseDueMs(held, L_US)).toBe(dueMs);
        const before = plain.filter(({ timeUs }) => timeUs < 20e6).map(({ receivedAtMs }) => receivedAtMs);
        expect(held.lastReceivedBefore(20e6)).toBe(Math.max(-Infinity, ...before));
        seen.push([held, plain]);
      }
      for (const [view, list] of seen) expect(view.list()).toEqual(list);
    }),
  );
});

test('views that append the same numbers share them: a preview copies nothing', () => {
  let allocated = 0;
  const { Float64Array: Original } = globalThis;
  globalThis.Float64Array = class extends Original {
    static readonly [Symbol.species] = Original;
    constructor(length: number) {
      super(length);
      allocated++;
    }
  } as unknown as typeof Original;
  try {
    let held = EMPTY_BUFFER;
    for (let second = 1; second <= 500; second++) {
      const preview = held.fork();
      held = held.fork();
      for (const view of [preview, held]) expect(view.add(second * 1e6, 1, second * 1000)).toBe('held');
    }
    expect(held.length).toBe(500);
    // One each time that the capacity doubles.
    expect(allocated).toBeLessThan(16);
    const other = held.fork();
    held.add(501e6, 1, 501_000);
    expect(other.add(501e6, 2, 501_000)).toBe('held');
    expect([held.valueAt(500), other.valueAt(500)]).toEqual([1, 2]);
  } finally {
    globalThis.Float64Array = Original;
  }
});
