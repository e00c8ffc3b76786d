// A data frame in JavaScript: readings as an Arrow table, a column computed with Arquero, written back as a metric.
// npm install arquero; npm run example frame-arquero
import { fileURLToPath } from 'node:url';
import { escape, fromArrow } from 'arquero';
import { type MonitorOptions, openMonitor } from 'fieldwatch';
import { type SaveFrameOutcome, loadFrame, saveFrame } from 'fieldwatch/frame';

interface Climate {
  readonly temperature: number;
  readonly humidity: number;
}

/** Dew point in °C (Magnus formula, constants of Sonntag 1990). */
export function dewPoint({ temperature, humidity }: Climate): number {
  const gamma = Math.log(humidity / 100) + (17.62 * temperature) / (243.12 + temperature);
  return (243.12 * gamma) / (17.62 - gamma);
}

export async function main(
  database: MonitorOptions['database'],
  print: (line: string) => void = console.log,
): Promise<SaveFrameOutcome> {
  await using monitor = await openMonitor({ database, name: 'dew-point' });
  const week = { from: Date.now() - 7 * 86_400_000, metrics: ['temperature', 'humidity'] };
  const table = await loadFrame(monitor, week);
  // Arquero reads the columns of the table where they are; its types know those of its own Arrow library.
  const frame = fromArrow(table as unknown as Parameters<typeof fromArrow>[0])
    .filter((row: Climate) => row.temperature !== null && row.humidity !== null)
    .derive({ dew_point: escape(dewPoint) });
  print(`${frame.numRows()} rows, ${frame.columnNames().join(' ')}`);
  return await saveFrame(monitor, frame.select('time', 'sensor', 'dew_point').toArrowIPC({ format: 'file' }));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const outcome = await main(process.env.DATABASE_URL ?? { embedded: './data/example' });
  console.log(outcome);
}
