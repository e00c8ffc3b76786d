import { once } from 'node:events';
import { openCopySource } from '../src/adapters/timescale/connection/copy-out.ts';
import { type ExportFormat, writeExport } from '../src/app/export/write.ts';
import { planExport } from '../src/queries/export/plan.ts';

// Exports all readings to standard output, which is a pipe; reports rows, time and memory on standard error.
const [url = '', format = 'csv'] = process.argv.slice(2);
const startedAt = performance.now();
const source = await openCopySource({ url });
const range = { from: new Date(0), to: new Date('2255-01-01') };
const plan = await planExport(source, { dataset: 'readings', ...range, textOnly: format === 'csv' });
let rows = 0;
const write = async (bytes: Uint8Array): Promise<void> => {
  if (!process.stdout.write(bytes)) await once(process.stdout, 'drain');
};
const read = { onSlice: (_: unknown, count: number) => void (rows += count) };
await writeExport(source, plan, { format: format as ExportFormat, piped: true }, write, read);
await source.close();
const ms = performance.now() - startedAt;
const megabytes = process.resourceUsage().maxRSS / 1024;
process.stderr.write(`${JSON.stringify({ rows, ms, megabytes })}\n`);
