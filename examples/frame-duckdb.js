// SQL over a data frame in DuckDB: an Arrow table, appended column by column.
// npm install @duckdb/node-api; DATABASE_URL=postgres://… node examples/frame-duckdb.js
import {
  DOUBLE,
  DuckDBDataChunk,
  DuckDBInstance,
  DuckDBTimestampValue,
  TIMESTAMP,
  VARCHAR,
} from '@duckdb/node-api';
import { openMonitor } from 'fieldwatch';
import { loadFrame } from 'fieldwatch/frame';

const monitor = await openMonitor({
  database: process.env.DATABASE_URL ?? { embedded: './data/example' },
  name: 'duckdb',
});
const table = await loadFrame(monitor, { metrics: ['temperature'] }).finally(() => monitor.close());

const duckdb = await (await DuckDBInstance.create(':memory:')).connect();
await duckdb.run('CREATE TABLE readings (time TIMESTAMP, sensor VARCHAR, temperature DOUBLE)');
const appender = await duckdb.createAppender('readings');
/** Rows of a chunk of DuckDB at most. */
const ROWS = 2048;
for (const batch of table.batches)
  for (let from = 0; from < batch.numRows; from += ROWS) {
    const part = batch.slice(from, from + ROWS);
    // Microseconds since 1970, as they are in the table.
    const times = part.getChild('time').data[0].values;
    const chunk = DuckDBDataChunk.create([TIMESTAMP, VARCHAR, DOUBLE], part.numRows);
    chunk.setColumns([
      Array.from({ length: part.numRows }, (_, row) => new DuckDBTimestampValue(times[row])),
      [...part.getChild('sensor')],
      [...part.getChild('temperature')],
    ]);
    appender.appendDataChunk(chunk);
  }
appender.closeSync();

const days = await duckdb.runAndReadAll(
  `SELECT sensor, strftime(time, '%Y-%m-%d') AS day, count(temperature)::INTEGER AS readings, round(median(temperature), 2) AS median
   FROM readings GROUP BY ALL ORDER BY ALL`,
);
for (const row of days.getRowObjects()) console.log(JSON.stringify(row));
