import { constants } from 'node:fs';
import { type FileHandle, open, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { syncFolder, writeAtomically } from '../../lib/durable-files.ts';
import { SPOOL_LANES, type SpoolLane } from '../../ports/spool.ts';

/**
 * The expected contents of the store, in a file of its own: where each lane begins and ends, what is in it, and what was set
 * aside. LevelDB opens whatever its files contain, an empty store included; against this a loss shows. The file lies beside
 * the spool's folder, so that it outlives the folder as well.
 *
 * Two slots, written alternately, each with a number and a checksum: a torn write leaves the other one. Appends are recorded
 * after they are on disk, and removals before: so at a crash in between the store holds more than is recorded, never less.
 */
export interface Noted {
  /** The spool that this is said of (`readSpoolId`). Empty in what an earlier version wrote. */
  readonly spoolId: string;
  readonly head: Readonly<Record<SpoolLane, number>>;
  readonly next: Readonly<Record<SpoolLane, number>>;
  readonly records: Readonly<Record<SpoolLane, number>>;
  readonly items: Readonly<Record<SpoolLane, number>>;
  readonly parked: { readonly records: number; readonly items: number };
}

/** Earlier versions kept it in the folder. */
const FORMER_FILE = 'sentinel';
const SLOT_BYTES = 512;
const CRC_BYTES = 4;
/** Number of the write, four of each of three lanes, two of what was set aside. */
const NUMBERS = 15;
const ID_AT = CRC_BYTES + NUMBERS * 8;
const ID_BYTES = 36;

type Reading = { readonly number: number; readonly noted: Noted } | 'none' | 'unreadable';

export class Sentinel {
  private readonly path: string;
  private readonly formerPath: string;
  private file: FileHandle | undefined;
  private writes = 0;

  constructor(folder: string) {
    this.path = sentinelPath(folder);
    this.formerPath = join(folder, FORMER_FILE);
  }

  /**
   * `unreadable`: there is one, and its contents are lost. Rejects where the disk fails. Where one lies in the folder, an earlier
   * version was here last: that one holds.
   */
  async read(): Promise<Noted | 'none' | 'unreadable'> {
    const [current, former] = [await readSlots(this.path), await readSlots(this.formerPath)];
    for (const each of [current, former])
      if (typeof each !== 'string') this.writes = Math.max(this.writes, each.number);
    const last = former === 'none' ? current : former;
    return typeof last === 'string' ? last : last.noted;
  }

  /** Resolves once it is on disk for good. */
  async write(noted: Noted): Promise<void> {
    const isNew = this.file === undefined;
    this.file ??= await open(this.path, constants.O_RDWR | constants.O_CREAT, 0o600);
    const number = this.writes + 1;
    const bytes = encode(number, noted);
    await this.file.write(bytes, 0, bytes.length, (number % 2) * SLOT_BYTES);
    await this.file.datasync();
    if (isNew) await syncFolder(dirname(this.path));
    this.writes = number;
  }

  /** Once what it says was written beside the folder. */
  async removeFormer(): Promise<void> {
    await rm(this.formerPath, { force: true });
    await syncFolder(dirname(this.formerPath));
  }

  async close(): Promise<void> {
    const { file } = this;
    this.file = undefined;
    await file?.close().catch(() => undefined);
  }
}

export const sentinelPath = (folder: string): string => `${folder}.sentinel`;

async function readSlots(path: string): Promise<Reading> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return 'none';
  }
  const slots = [0, 1].map((slot) => decode(bytes.subarray(slot * SLOT_BYTES)));
  const newest = slots.reduce((a, b) => ((b?.number ?? -1) > (a?.number ?? -1) ? b : a));
  return newest ?? (bytes.length === 0 ? 'none' : 'unreadable');
}

function encode(number: number, { spoolId, head, next, records, items, parked }: Noted): Buffer {
  const bytes = Buffer.alloc(SLOT_BYTES);
  const numbers = [
    number,
    ...SPOOL_LANES.flatMap((lane) => [head[lane], next[lane], records[lane], items[lane]]),
    parked.records,
    parked.items,
  ];
  numbers.forEach((value, index) => bytes.writeDoubleLE(value, CRC_BYTES + index * 8));
  bytes.write(spoolId, ID_AT, ID_BYTES, 'latin1');
  bytes.writeUInt32LE(crc32(bytes.subarray(CRC_BYTES)), 0);
  return bytes;
}

function decode(slot: Buffer): { readonly number: number; readonly noted: Noted } | undefined {
  if (slot.length < SLOT_BYTES) return undefined;
  const bytes = slot.subarray(CRC_BYTES, SLOT_BYTES);
  if (crc32(bytes) !== slot.readUInt32LE(0)) return undefined;
  const at = (index: number) => bytes.readDoubleLE(index * 8);
  const perLane = (offset: number) =>
    Object.fromEntries(SPOOL_LANES.map((lane, index) => [lane, at(1 + index * 4 + offset)])) as Record<
      SpoolLane,
      number
    >;
  const parked = { records: at(NUMBERS - 2), items: at(NUMBERS - 1) };
  const spoolId = slot.toString('latin1', ID_AT, ID_AT + ID_BYTES).replace(/\0+$/, '');
  return {
    number: at(0),
    noted: { spoolId, head: perLane(0), next: perLane(1), records: perLane(2), items: perLane(3), parked },
  };
}

const FILE = 'id';
const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

/**
 * Names the folder of a spool. The sentinel lies beside the folder and repeats the name, so that it is not applied to another
 * spool: a folder that was emptied, replaced, or moved away and back. Undefined where the folder has no name.
 */
export async function readSpoolId(folder: string): Promise<string | undefined> {
  try {
    const text = await readFile(join(folder, FILE), 'latin1');
    return UUID.test(text) ? text : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return undefined;
  }
}

/** Resolves once it is on disk for good. */
export const writeSpoolId = (folder: string, id: string): Promise<void> =>
  writeAtomically(join(folder, FILE), id);
