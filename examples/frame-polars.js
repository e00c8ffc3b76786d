// A data frame in Polars: the mean of each hour and sensor, written back as a metric.
// npm install nodejs-polars; DATABASE_URL=postgres://… node examples/frame-polars.js
import pl from 'nodejs-polars';
import { openMonitor } from 'fieldwatch';
import { frameToIpc, loadFrame, saveFrame } from 'fieldwatch/frame';

const monitor = await openMonitor({
  database: process.env.DATABASE_URL ?? { embedded: './data/example' },
  name: 'polars',
});
try {
  const table = await loadFrame(monitor, { metrics: ['temperature'] });
  const readings = pl.readIPC(Buffer.from(frameToIpc(table)));
  const hours = readings
    .withColumn(pl.col('time').date.strftime('%Y-%m-%dT%H:00:00Z').alias('hour'))
    .groupBy('sensor', 'hour')
    .agg(pl.col('temperature').mean().alias('temperature_of_hour'))
    .rename({ hour: 'time' })
    .sort(['sensor', 'time']);
  console.log(hours.toString());
  const { stored, merged, duplicate } = await saveFrame(monitor, hours.writeIPC());
  console.log(JSON.stringify({ rows: hours.height, stored: stored + merged, duplicate }));
} finally {
  await monitor.close();
}
