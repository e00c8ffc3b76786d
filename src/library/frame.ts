import { type RecordBatch, Table, tableToIPC } from 'apache-arrow';
import { arrowTableOf, readArrowTable } from '../adapters/frame/arrow-reader.ts';
import { arrowSchema, recordBatchOf } from '../adapters/frame/arrow-writer.ts';
import { openCopySource } from '../adapters/timescale/connection/copy-out.ts';
import { readerFor } from '../app/import/read-blocks.ts';
import { connectOptions } from '../app/options.ts';
import { FieldwatchError, messageOf } from '../core/errors.ts';
import { keptBy } from '../core/ingest/retention-filter.ts';
import { blockOf } from '../core/ingest/table/reading-block.ts';
import { planOf } from '../core/policy/plan.ts';
import { DATASETS, SHAPES } from '../queries/export/dataset.ts';
import { planExport } from '../queries/export/plan.ts';
import { exportFrames } from '../queries/export/read.ts';
import { Importer } from '../services/ingest/importer.ts';
import { OutageMonitor } from '../services/ingest/outage-monitor.ts';
import { createMetrics } from '../adapters/http/metrics.ts';
import { checkArgument, checkOneOf } from './arguments.ts';
import type { LoadFrameInput, SaveFrameOptions, SaveFrameOutcome } from './frame-types.ts';
import type { Monitor } from './monitor-types.ts';
import { programOf } from './programs.ts';
import { timeOf } from './time.ts';

/** All that microseconds in a double reach. */
const FIRST = new Date(0);
const LAST = new Date('2255-01-01');

/**
 * Loads stored rows as an Arrow table: times are `timestamp[us, UTC]`, numbers are the arrays that the database's answer was decoded into. The whole
 * table is in memory; for more than that, `fieldwatch export` writes files.
 *
 * @throws FieldwatchError EXPORT_UNKNOWN_NAME for a sensor, location or metric that does not exist, EXPORT_TOO_WIDE, FRAME_INVALID for another
 * dataset or shape
 *
 * @example
 * ```ts
 * import { openMonitor } from 'fieldwatch';
 * import { loadFrame } from 'fieldwatch/frame';
 *
 * await using monitor = await openMonitor({ database: process.env.DATABASE_URL ?? { embedded: './data' } });
 * await monitor.recordReading({ sensor: 'fridge', metrics: { temperature: 4.5 } });
 * const table = await loadFrame(monitor, { sensor: 'fridge', metrics: ['temperature'], from: Date.now() - 3_600_000 });
 * console.log(table.numRows, table.schema.names.join(' ')); // 1 time sensor location temperature
 * ```
 */
export async function loadFrame(monitor: Monitor, input: LoadFrameInput = {}): Promise<Table> {
  const { config, database } = programOf(monitor);
  checkArgument('loadFrame', 'input', input, 'loadFrame');
  const { dataset = 'readings', shape, from, to, sensor = [], location, metrics } = input;
  checkOneOf('dataset', dataset, DATASETS, 'FRAME_INVALID');
  if (shape !== undefined) checkOneOf('shape', shape, SHAPES, 'FRAME_INVALID');
  const range = {
    from: from === undefined ? FIRST : timeOf(from, 'from'),
    to: to === undefined ? LAST : timeOf(to, 'to'),
  };
  const source = await openCopySource({ ...connectOptions(config, database.url, 'frame'), readsOnly: true });
  try {
    const sensors = typeof sensor === 'string' ? [sensor] : sensor;
    const plan = await planExport(source, { ...range, dataset, shape, sensors, location, metrics });
    const schema = arrowSchema(plan.columns);
    const batches: RecordBatch[] = [];
    for await (const frame of exportFrames(source, plan)) batches.push(recordBatchOf(frame, schema));
    return new Table(schema, batches);
  } finally {
    await source.close();
  }
}

/**
 * Stores the rows of an Arrow table, or of Arrow IPC in memory (`df.writeIPC()` of Polars, `toArrowIPC()` of Arquero), as readings: as `fieldwatch
 * import` stores a file, with the same names of columns, dead letters (topic `program/frame`) and no alerts. Saving again stores nothing twice. Hours that
 * the refresh policies do not look back to are refreshed half a minute later, while the monitor is open, and otherwise by
 * `fieldwatch policies repair --only late`.
 *
 * @throws FieldwatchError FRAME_INVALID of what is no Arrow table and no Arrow IPC, IMPORT_MAP where the columns do not say what is whose; an error of the database (`DB_…`): what was
 * committed until then stays
 */
export async function saveFrame(
  monitor: Monitor,
  table: Pick<Table, 'batches'> | Uint8Array,
  options: SaveFrameOptions = {},
): Promise<SaveFrameOutcome> {
  checkArgument('saveFrame', 'options', options, 'saveFrame');
  const { map = {}, ignore = [], sensor, onProgress = () => undefined } = options;
  const { config, store, registry, deadLetters, clock, logger } = programOf(monitor);
  const { max_past: maxPast, max_future: maxFuture } = config.time_window;
  const readers = readerFor({
    ...{ map: new Map(Object.entries(map)), ignore: new Set(ignore), sensor, timeUnit: 'auto' },
    ...{ maxPastUs: maxPast * 1000, maxFutureUs: maxFuture * 1000 },
  });
  const watch = new OutageMonitor({ clock, logger, metrics: createMetrics() });
  const importer = new Importer(
    { registry, store, deadLetters, clock, logger, watch, random: Math.random },
    {
      topic: 'program/frame',
      kept: keptBy(planOf(config.policies)),
      batchRows: config.ingest.batch.max_rows,
      onCommitted: onProgress,
    },
  );
  try {
    for (const chunk of readArrowTable(batchesOf(table)))
      await importer.add(blockOf(chunk, readers(chunk), clock.nowMs()));
    await importer.finish();
  } catch (error) {
    // What is under way is finished first: the caller may close the monitor next.
    await importer.settle();
    throw error;
  }
  return { ...importer.tally };
}

/** Bytes that are no Arrow IPC, or only the beginning of one, may read as a table without rows. */
function batchesOf(given: Pick<Table, 'batches'> | Uint8Array): Pick<Table, 'batches'> {
  try {
    const table = given instanceof Uint8Array ? arrowTableOf(given) : given;
    if (Array.isArray(table.batches) && table.batches.every((batch) => batch.schema.names.length >= 0))
      return table;
  } catch (cause) {
    throw notArrow(messageOf(cause), cause);
  }
  throw notArrow('it has no record batches');
}

const notArrow = (why: string, cause?: unknown) =>
  new FieldwatchError(`saveFrame: this is no Arrow table and no Arrow IPC: ${why}`, {
    code: 'FRAME_INVALID',
    kind: 'data',
    cause,
    remedy:
      'give a Table of apache-arrow, or the whole bytes of an Arrow file or stream (`df.writeIPC()`, `toArrowIPC()`)',
  });

/** A table as the bytes of an Arrow IPC file, which Polars, DuckDB and others read. */
export const frameToIpc = (table: Table): Uint8Array => tableToIPC(table, 'file');
