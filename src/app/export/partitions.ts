import { mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { AtomicFile } from '../../adapters/frame/atomic-file.ts';
import type { CopySource } from '../../adapters/timescale/connection/copy-out.ts';
import { FieldwatchError } from '../../core/errors.ts';
import type { Millis } from '../../core/reading.ts';
import { writeAtomically } from '../../lib/durable-files.ts';
import type { ExportPlan } from '../../queries/export/plan.ts';
import type { ReadOptions } from '../../queries/export/read.ts';
import { type Span, SliceWidth, mergeSpans } from '../../queries/export/slices.ts';
import { type FormatOptions, writeExport } from './write.ts';

const DAY_MS = 86_400_000;
/** Readers of a folder leave out names that begin with a dot. */
export const MANIFEST = '.fieldwatch-export.json';

/** Settings that have to be the same for files to lie in one folder. */
export interface ExportRequest {
  readonly dataset: string;
  readonly format: string;
  readonly shape: string | null;
  readonly sensors: readonly string[];
  readonly location: string | null;
  readonly metrics: readonly string[];
}

/** A UTC day that is exported. */
interface Partition {
  /** Absent of a day without rows. */
  readonly file: string | null;
  readonly rows: number;
  readonly bytes: number;
  /** The part of the day that it has; `to` is not after the moment at which it was written. */
  readonly from: string;
  readonly to: string;
}

interface Manifest {
  readonly version: 1;
  readonly request: ExportRequest;
  readonly partitions: Record<string, Partition>;
}

export interface PartitionedExport {
  readonly folder: string;
  readonly request: ExportRequest;
  readonly format: FormatOptions;
  readonly startedAtMs: Millis;
  /** Writes what is complete once more. */
  readonly overwrite: boolean;
  readonly read?: ReadOptions;
}

export interface PartitionOutcome {
  readonly written: number;
  readonly skipped: number;
  readonly empty: number;
  readonly bytes: number;
}

/** The UTC days that the spans touch, each with the part of it that is in them. */
export function daysOf(spans: readonly Span[]): ReadonlyMap<string, Span> {
  const days = new Map<string, Span>();
  for (const { fromMs, toMs } of spans)
    for (let day = Math.floor(fromMs / DAY_MS); day * DAY_MS < toMs; day++) {
      const name = new Date(day * DAY_MS).toISOString().slice(0, 10);
      const part = { fromMs: Math.max(fromMs, day * DAY_MS), toMs: Math.min(toMs, (day + 1) * DAY_MS) };
      days.set(name, { fromMs: days.get(name)?.fromMs ?? part.fromMs, toMs: part.toMs });
    }
  return days;
}

/**
 * One file a UTC day in a folder. A day that is complete there is skipped; one that was interrupted, or was not over when it was
 * written, is written again. Rejects with EXPORT_FOLDER where the folder holds another export.
 */
export async function exportPartitions(
  source: Pick<CopySource, 'copyOut'>,
  plan: ExportPlan,
  job: PartitionedExport,
): Promise<PartitionOutcome> {
  const { folder, format, startedAtMs } = job;
  await mkdir(folder, { recursive: true });
  const manifest = await readManifest(job);
  const outcome = { written: 0, skipped: 0, empty: 0, bytes: 0 };
  const width = new SliceWidth(plan.sliceSize);
  for (const [day, span] of daysOf(plan.spans)) {
    const part = mergeSpans(plan.spans, span);
    const done = manifest.partitions[day];
    if (done !== undefined && !job.overwrite && (await isComplete(folder, done, span, startedAtMs))) {
      outcome.skipped++;
      for (const slice of part) job.read?.onSlice?.(slice, 0);
      continue;
    }
    const name = `${job.request.dataset}-${day}.${format.format}`;
    let rows = 0;
    const read: ReadOptions = {
      ...job.read,
      width,
      within: span,
      onSlice: (slice, count) => {
        rows += count;
        job.read?.onSlice?.(slice, count);
      },
    };
    const file = await AtomicFile.create(join(folder, name));
    try {
      await writeExport(source, plan, format, (bytes) => file.write(bytes), read);
      if (rows > 0) await file.commit();
    } catch (error) {
      await file.discard();
      throw error;
    }
    if (rows === 0) await file.discard();
    manifest.partitions[day] = {
      file: rows === 0 ? null : name,
      rows,
      bytes: rows === 0 ? 0 : file.bytes,
      from: new Date(span.fromMs).toISOString(),
      to: new Date(Math.min(span.toMs, startedAtMs)).toISOString(),
    };
    await writeAtomically(join(folder, MANIFEST), `${JSON.stringify(manifest, null, 1)}\n`);
    if (rows === 0) outcome.empty++;
    else outcome.written++;
    outcome.bytes += rows === 0 ? 0 : file.bytes;
  }
  return outcome;
}

async function isComplete(
  folder: string,
  done: Partition,
  wanted: Span,
  startedAtMs: Millis,
): Promise<boolean> {
  if (Date.parse(done.from) > wanted.fromMs) return false;
  // A day that is not over is never complete.
  if (Date.parse(done.to) < wanted.toMs || wanted.toMs > startedAtMs) return false;
  if (done.file === null) return true;
  const size = await stat(join(folder, done.file)).then(
    (found) => found.size,
    () => undefined,
  );
  return size === done.bytes;
}

async function readManifest({ folder, request, overwrite }: PartitionedExport): Promise<Manifest> {
  const fresh: Manifest = { version: 1, request, partitions: {} };
  const text = await readFile(join(folder, MANIFEST), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return fresh;
  let found: Manifest | undefined;
  try {
    found = JSON.parse(text) as Manifest;
  } catch {
    found = undefined;
  }
  if (found?.version === 1 && JSON.stringify(found.request) === JSON.stringify(request)) return found;
  if (overwrite) return fresh;
  throw new FieldwatchError(`export: ${folder} holds another export (${MANIFEST})`, {
    code: 'EXPORT_FOLDER',
    kind: 'config',
    remedy: 'Choose another folder, the same dataset, format, sensors and metrics as before, or --overwrite.',
  });
}
