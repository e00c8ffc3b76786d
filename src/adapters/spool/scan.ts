import { link, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SPOOL_LANES, type SpoolAmount, type SpoolLane } from '../../ports/spool.ts';
import type { LevelStore } from './open-level.ts';
import { NOTHING, type RecordKey, parseKey, plus } from './record.ts';
import type { Noted } from './sentinel.ts';

/** The contents of the spool, by its keys. */
export interface Scan {
  readonly lanes: Record<SpoolLane, SpoolAmount>;
  readonly parked: SpoolAmount;
  /** Where the lanes begin: nothing lies before. */
  readonly head: Record<SpoolLane, number>;
  readonly next: Record<SpoolLane, number>;
  readonly atMs: Record<SpoolLane, number | undefined>;
  /** Missing records. Without the sentinel: positions between records, for a lane is taken from its head only. */
  readonly missing: { readonly records: number; readonly items: number };
  /** Not expected: appended by this process without success, or removed, with a crash before it was done. */
  readonly unsure: readonly RecordKey[];
}

/**
 * One pass over the keys. `known`: where the lanes end as far as this process knows; nothing at a start. `noted`: what the
 * sentinel says of them.
 */
export async function scan(
  level: LevelStore,
  known: Partial<Record<SpoolLane, number>>,
  noted: Noted | undefined,
): Promise<Scan> {
  const lanes = { alerts: NOTHING, unresolved: NOTHING, readings: NOTHING };
  const next: Record<SpoolLane, number> = {
    ...(noted?.next ?? { alerts: 1, unresolved: 1, readings: 1 }),
    ...known,
  };
  const atMs: Record<SpoolLane, number | undefined> = {
    alerts: undefined,
    unresolved: undefined,
    readings: undefined,
  };
  const head: Partial<Record<SpoolLane, number>> = {};
  const unsure: RecordKey[] = [];
  const last: Partial<Record<SpoolLane, number>> = {};
  let parked = NOTHING;
  let holes = 0;
  const expected = new Expected(noted);
  for await (const text of level.keys()) {
    const found = parseKey(text);
    if (found === undefined) continue;
    const { key } = found;
    const { lane, seq } = key;
    if (found.parked) {
      parked = plus(parked, key);
    } else if (seq >= (known[lane] ?? Infinity) || seq < (noted?.head[lane] ?? 0)) {
      unsure.push(key);
    } else {
      lanes[lane] = plus(lanes[lane], key);
      atMs[lane] ??= key.atMs;
      head[lane] ??= seq;
      expected.found(key);
      holes += seq - (last[lane] ?? seq - 1) - 1;
      last[lane] = seq;
      next[lane] = Math.max(next[lane], seq + 1);
    }
  }
  const missing = expected.missing(parked) ?? { records: holes, items: 0 };
  return { lanes, parked, head: { ...next, ...head }, next, atMs, missing, unsure };
}

/** All that is noted to lie in the store. */
export function allOf({ records, items, parked }: Noted): Scan['missing'] {
  const sum = (part: Readonly<Record<SpoolLane, number>>) =>
    SPOOL_LANES.reduce((all, lane) => all + part[lane], 0);
  return { records: sum(records) + parked.records, items: sum(items) + parked.items };
}

/** Records that the sentinel counted, less those that are found. */
class Expected {
  private readonly noted: Noted | undefined;
  private records: number;
  private items: number;

  constructor(noted: Noted | undefined) {
    this.noted = noted;
    const { records, items } = noted === undefined ? { records: 0, items: 0 } : allOf(noted);
    this.records = records;
    this.items = items;
  }

  found({ lane, seq, items }: RecordKey): void {
    if (seq >= (this.noted?.next[lane] ?? 0)) return;
    this.records--;
    this.items -= items;
  }

  /** Undefined where nothing was noted. */
  missing(parked: SpoolAmount): Scan['missing'] | undefined {
    if (this.noted === undefined) return undefined;
    const records = Math.max(0, this.records - parked.records);
    return { records, items: records === 0 ? 0 : Math.max(0, this.items - parked.items) };
  }
}

export const oldestOf = (atMs: Scan['atMs']): number | undefined =>
  SPOOL_LANES.reduce<number | undefined>((oldest, lane) => {
    const at = atMs[lane];
    return at === undefined ? oldest : Math.min(at, oldest ?? at);
  }, undefined);

/**
 * LevelDB drops what it cannot read of its log, and then the log. A second name keeps the file until it is known that
 * nothing was missing.
 */
export class LogKeeper {
  private readonly db: string;
  private readonly opening: string;
  private readonly damaged: string;

  constructor(folder: string) {
    this.db = join(folder, 'db');
    this.opening = join(folder, 'opening');
    this.damaged = join(folder, 'damaged');
  }

  async keep(): Promise<void> {
    await this.discard();
    const logs = (await readdir(this.db).catch(() => [])).filter((name) => name.endsWith('.log'));
    if (logs.length === 0) return;
    // Where links are impossible, or the disk is full, there is no second name, and nothing else is lost by it.
    await mkdir(this.opening, { recursive: true }).catch(() => undefined);
    for (const name of logs) await link(join(this.db, name), join(this.opening, name)).catch(() => undefined);
  }

  async discard(): Promise<void> {
    await rm(this.opening, { recursive: true, force: true });
  }

  /** For the operator to inspect. */
  async preserve(): Promise<void> {
    for (const name of await readdir(this.opening).catch(() => [])) {
      await mkdir(this.damaged, { recursive: true });
      await rename(join(this.opening, name), join(this.damaged, `${Date.now()}-${name}`));
    }
  }
}
