import { describe, expect, test } from '@jest/globals';
import { type GroupWait, NO_WAIT, nextWait } from '../../../src/core/alert/cluster/group-wait.ts';
import { LEASE_MS, type ShardMember } from '../../../src/core/alert/cluster/shard.ts';

const MOST_MS = 60_000;
const A = 'a on host (pid 1, x)';
const B = 'b on host (pid 2, y)';

/** Renewed its lease at `atMs`. */
const seen = (id: string, atMs: number, more: Partial<ShardMember> = {}): ShardMember => ({
  ...{ id, joinedAtMs: 0, leasedUntilMs: atMs + LEASE_MS, behind: false },
  ...more,
});

/** What A waits for after looks at these moments, each with the rows as they are then. */
function looks(...rows: readonly (readonly [nowMs: number, ...members: ShardMember[]])[]): readonly string[] {
  let wait: GroupWait = NO_WAIT;
  for (const [nowMs, ...members] of rows)
    wait = nextWait(A, { nowMs, members: [seen(A, nowMs), ...members], shards: [] }, wait, MOST_MS);
  return wait.awaited;
}

/** The wait after the last of these looks, each of which another member has the same rows at. */
function waitAfter(untilMs: number, more: Partial<ShardMember>, seenAtMs = untilMs): GroupWait {
  let wait: GroupWait = NO_WAIT;
  for (let nowMs = 0; nowMs <= untilMs; nowMs += 500) {
    const members = [seen(A, nowMs), seen(B, Math.min(nowMs, seenAtMs), more)];
    wait = nextWait(A, { nowMs, members, shards: [] }, wait, MOST_MS);
  }
  return wait;
}

/** The same every half second, with rows that stay as they are, but for those that `now` renews. */
function watch(fromMs: number, untilMs: number, now: (nowMs: number) => readonly ShardMember[]) {
  const rows: [number, ...ShardMember[]][] = [];
  for (let nowMs = fromMs; nowMs <= untilMs; nowMs += 500) rows.push([nowMs, ...now(nowMs)]);
  return rows;
}

describe('a member waits before it evaluates', () => {
  test('for no member that renews its lease and has drained', () => {
    expect(looks([10_000, seen(B, 9200)])).toEqual([]);
  });

  test('for a member that reports it is behind, and no longer than allowed', () => {
    const behind = (nowMs: number) => [seen(B, nowMs, { behind: true })];
    expect(looks(...watch(0, MOST_MS - 500, behind))).toEqual([B]);
    expect(looks(...watch(0, MOST_MS, behind))).toEqual([]);
    // Once it has drained, the next outage counts anew.
    const again = watch(MOST_MS + 500, MOST_MS + 1000, behind);
    expect(looks(...watch(0, MOST_MS, behind), [MOST_MS + 100, seen(B, MOST_MS + 100)], ...again)).toEqual([
      B,
    ]);
  });

  test('reports silent members, and once those that are no longer awaited', () => {
    const [behind, silent] = [
      (ms: number) => waitAfter(ms, { behind: true }),
      (ms: number) => waitAfter(ms, {}, 0),
    ];
    expect(behind(5000)).toMatchObject({ awaited: [B], silent: [], givenUp: [] });
    expect(silent(5000)).toMatchObject({ awaited: [B], silent: [B], givenUp: [] });
    for (const wait of [behind, silent]) {
      expect(wait(MOST_MS - 500)).toMatchObject({ awaited: [B], givenUp: [] });
      expect(wait(MOST_MS)).toMatchObject({ awaited: [], silent: [], givenUp: [B] });
      expect(wait(MOST_MS + 500)).toMatchObject({ awaited: [], givenUp: [] });
    }
    // It read its session in time.
    expect(waitAfter(MOST_MS, { behind: false })).toMatchObject({ awaited: [], givenUp: [] });
  });

  test('for a member that has not been seen for a moment, however long its lease is over, and no longer than allowed', () => {
    const forgotten = () => [seen(B, 0)];
    expect(looks(...watch(0, 1000, forgotten))).toEqual([]);
    expect(looks(...watch(0, 1500, forgotten))).toEqual([B]);
    expect(looks(...watch(0, MOST_MS - 500, forgotten))).toEqual([B]);
    expect(looks(...watch(0, MOST_MS, forgotten))).toEqual([]);
    // It counts from its last sign of life, also for one that joins later.
    expect(looks([MOST_MS - 500, ...forgotten()])).toEqual([B]);
    expect(looks([MOST_MS, ...forgotten()])).toEqual([]);
  });

  test('for one that was there when the database went away for all, from its return on', () => {
    const before = watch(0, 1000, (nowMs) => [seen(B, nowMs)]);
    const forgotten = () => [seen(B, 1000)];
    const since = (ms: number) => watch(90_000, 90_000 + ms, forgotten);
    expect(looks(...before, ...since(0))).toEqual([B]);
    expect(looks(...before, ...since(MOST_MS - 500))).toEqual([B]);
    expect(looks(...before, ...since(MOST_MS))).toEqual([]);
    expect(looks(...before, ...since(500), [91_000, seen(B, 91_000)])).toEqual([]);
    // It was dead before: no member waits for it.
    expect(looks([80_000, seen(B, 0)], [110_000, seen(B, 0)])).toEqual([]);
  });

  test('for the process that has replaced a crashed one, and not for the crashed one', () => {
    const next = 'b on host (pid 3, z)';
    const rows = (behind: boolean) => [seen(B, 0), seen(next, 5000, { joinedAtMs: 5000, behind })];
    expect(looks([5000, ...rows(true)])).toEqual([next]);
    expect(looks([5000, ...rows(false)])).toEqual([]);
  });

  test('for a daemon that crashes at each start no longer than allowed, until it was seen to have caught up', () => {
    const starts = (nowMs: number): ShardMember[] => {
      const last = Math.floor(nowMs / 5000) * 5000;
      const row = (joinedAtMs: number) =>
        seen(`b on host (pid ${joinedAtMs}, x)`, joinedAtMs, { joinedAtMs, behind: true });
      return Array.from({ length: last / 5000 + 1 }, (_, n) => row(n * 5000));
    };
    expect(looks(...watch(0, MOST_MS - 500, starts))).toHaveLength(1);
    expect(looks(...watch(0, MOST_MS + 20_000, starts))).toEqual([]);
    const now = MOST_MS + 500;
    const back = seen('b on host (pid z, x)', now, { joinedAtMs: now });
    expect(looks(...watch(0, MOST_MS, starts), [now, back], [now + 1500, back])).toEqual([back.id]);
  });

  test('how long the longest absent one has been away is how late its readings may be', () => {
    let wait: GroupWait = NO_WAIT;
    for (let nowMs = 0; nowMs <= 8000; nowMs += 500) {
      const members = [seen(A, nowMs), seen(B, 0), seen('c', nowMs, { behind: nowMs >= 5000 })];
      wait = nextWait(A, { nowMs, members, shards: [] }, wait, MOST_MS);
    }
    expect([wait.awaited, wait.awayMs]).toEqual([[B, 'c'], 8000]);
  });

  test('for no member of an earlier version, which does not report it', () => {
    const { id, joinedAtMs, leasedUntilMs } = seen(B, 0);
    expect(looks([3000, { id, joinedAtMs, leasedUntilMs }])).toEqual([]);
  });

  test('for no member if that is switched off', () => {
    const view = { nowMs: 0, members: [seen(B, 0, { behind: true })], shards: [] };
    expect(nextWait(A, view, NO_WAIT, 0).awaited).toEqual([]);
  });
});
