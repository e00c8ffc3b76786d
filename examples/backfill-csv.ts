// Stores the lines of a CSV file (`time,sensor,temperature,humidity`), however many there are. Run again, it stores nothing twice.
// npm run example backfill-csv history.csv
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type MonitorOptions, type ReadingInput, type RecordOutcome, openMonitor } from 'fieldwatch';

/** One line at a time: the file is never in memory. */
export async function* readingsOf(lines: AsyncIterable<string>): AsyncGenerator<ReadingInput> {
  let names: readonly string[] | undefined;
  for await (const line of lines) {
    const cells = line.split(',');
    if (names === undefined) {
      names = cells;
      continue;
    }
    const metrics: Record<string, number> = {};
    for (const [at, name] of names.entries())
      if (name !== 'time' && name !== 'sensor' && cells[at] !== '') metrics[name] = Number(cells[at]);
    yield {
      time: cells[names.indexOf('time')] ?? '',
      sensor: cells[names.indexOf('sensor')] ?? '',
      metrics,
    };
  }
}

export async function backfill(
  database: MonitorOptions['database'],
  file: string,
  print: (line: string) => void = console.log,
): Promise<RecordOutcome> {
  await using monitor = await openMonitor({ database, name: 'backfill' });
  const lines = createInterface({ input: createReadStream(file) });
  // Awaited here: the monitor closes at the end of this block.
  return await monitor.recordBatch(readingsOf(lines), {
    onProgress: ({ stored, duplicate, deadLettered }) =>
      print(`${stored} stored, ${duplicate} there already, ${deadLettered} refused`),
  });
}

const [, script, file] = process.argv;
if (script === fileURLToPath(import.meta.url) && file !== undefined)
  await backfill(process.env['DATABASE_URL'] ?? { embedded: './data/example' }, file);
