import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { NONE_MISSING } from './account.ts';
import { type LevelDeps, type LevelStore, assertDamage, codeOf, openLevel } from './open-level.ts';
import { allOf, type Scan, scan } from './scan.ts';
import { type Noted, type Sentinel, readSpoolId } from './sentinel.ts';

/** The state of the store before it is opened. */
export interface StateBefore {
  readonly spoolId: string;
  /** The folder has this name already. */
  readonly named: boolean;
  /** Noted about this store; undefined where nothing is. */
  readonly noted: Noted | undefined;
  /** This process had it open and knows where its lanes end. */
  readonly again: boolean;
  /** Recorded for another spool, which was here before. */
  readonly gone: Scan['missing'];
  /** Why a loss cannot be detected. */
  readonly sentinelFault: 'damaged' | 'missing' | undefined;
}

/** `exact`: what this process noted while it had the store open; it takes the place of the sentinel's file. */
export async function stateBefore(
  folder: string,
  sentinel: Sentinel,
  exact: Noted | undefined,
): Promise<StateBefore> {
  const found = await readSpoolId(folder);
  const read = exact ?? (await sentinel.read());
  const again = exact !== undefined;
  const named = found !== undefined;
  const before = {
    spoolId: found ?? randomUUID(),
    named,
    noted: undefined,
    again: false,
    gone: NONE_MISSING,
  };
  if (read === 'unreadable') return { ...before, sentinelFault: 'damaged' };
  if (read === 'none') return { ...before, sentinelFault: named ? 'missing' : undefined };
  if (read.spoolId === '' || read.spoolId === found)
    return { ...before, noted: read, again, sentinelFault: undefined };
  if (named) return { ...before, gone: allOf(read), sentinelFault: undefined };
  // Whatever lies there has lost its name: it counts as what is noted, but nothing of it is taken for drained.
  const noted = { ...read, head: { alerts: 0, unresolved: 0, readings: 0 } };
  return { ...before, noted, sentinelFault: undefined };
}

export interface OpenOptions {
  readonly folder: string;
  readonly deps: LevelDeps;
  readonly how: 'open' | 'repair';
  /** Where the lanes end, as far as this process knows. */
  readonly next: Parameters<typeof scan>[1];
  readonly releaseRoom: () => Promise<unknown>;
}

/** Each block of each file is read once: what cannot be read is repaired now, or it would stop all that comes later. */
export async function openStore(
  { noted }: StateBefore,
  { folder, deps, how, next, releaseRoom }: OpenOptions,
): Promise<{ level: LevelStore; found: Scan }> {
  const level = await openWithRoom();
  try {
    return { level, found: await scan(level, next, noted) };
  } catch (error) {
    await level.close().catch(() => undefined);
    await assertDamage(join(folder, 'db'), error);
  }
  const repaired = await openLevel(folder, deps, 'repair');
  try {
    return { level: repaired, found: await scan(repaired, next, noted) };
  } catch (error) {
    await repaired.close().catch(() => undefined);
    throw error;
  }

  async function openWithRoom(): Promise<LevelStore> {
    try {
      return await openLevel(folder, deps, how);
    } catch (error) {
      if (!['LEVEL_IO_ERROR', 'ENOSPC', 'EDQUOT'].includes(codeOf(error) ?? '')) throw error;
      // On a full disk LevelDB cannot even start: this is what the ballast is for.
      await releaseRoom();
      return await openLevel(folder, deps, how);
    }
  }
}
