import { queryOnce } from '../../test/support/pg-client.ts';
import type { FaultRecord } from '../injector.ts';
import type { Sent } from '../publishers.ts';
import { indexOfId, keyOf, sensorOfId } from '../workload.ts';
import { type Violation, found } from './violation.ts';

interface StoredRow {
  readonly ms: number;
  readonly temperature: number | null;
  readonly seq: number | null;
}

/** How long around a message a fault may have had to do with it. */
const NEAR_MS = 5000;

/** How many distinct ids are stored: asked while the run settles. */
export async function countStored(url: string): Promise<number> {
  const [row] = await queryOnce<{ n: number }>(
    url,
    `SELECT count(*)::int AS n FROM sensor_metrics m JOIN metrics n ON n.id = m.metric_id WHERE n.name = 'seq'`,
  );
  return row?.n ?? 0;
}

/** Sent and stored are the same, id for id, time for time, value for value; nothing is stored twice. */
export async function checkReadings(
  url: string,
  sent: readonly (readonly Sent[])[],
  faults: readonly FaultRecord[],
): Promise<Violation[]> {
  const missing: Sent[] = [];
  const altered: string[] = [];
  const extra: string[] = [];
  const seen = new Map<number, string>();
  const twice: string[] = [];
  for (const [sensor, list] of sent.entries()) {
    const stored = await storedOf(url, sensor);
    const byTime = new Map(stored.map((row) => [row.ms, row]));
    for (const row of stored) {
      if (row.seq === null) continue;
      const where = `${keyOf(sensor)} at ${iso(row.ms)}`;
      const before = seen.get(row.seq);
      if (before !== undefined) twice.push(`id ${row.seq}: ${before} and ${where}`);
      seen.set(row.seq, where);
      const original = list[indexOfId(row.seq)]?.message;
      if (sensorOfId(row.seq) !== sensor || original === undefined) extra.push(`id ${row.seq}: ${where}`);
    }
    const times = new Set(list.map(({ message }) => message.timeMs));
    for (const { ms } of stored) if (!times.has(ms)) extra.push(`${keyOf(sensor)} at ${iso(ms)}: never sent`);
    for (const each of list) {
      const row = byTime.get(each.message.timeMs);
      if (row === undefined) missing.push(each);
      else if (row.seq !== each.message.id || row.temperature !== each.message.temperature) {
        altered.push(`${describe(each, faults)}; stored: seq ${row.seq}, temperature ${row.temperature}`);
      }
    }
    if (byTime.size !== stored.length) twice.push(`${keyOf(sensor)}: ${stored.length - byTime.size} times`);
  }
  return [
    ...found('sent and not stored', describeAll(missing, faults)),
    ...found('stored and not sent', extra),
    ...found('stored twice', twice),
    ...found('stored with other values', altered),
    ...found('dead letters, although every message was good', await deadLetters(url)),
  ];
}

async function storedOf(url: string, sensor: number): Promise<StoredRow[]> {
  return queryOnce<{ ms: number; temperature: number | null; seq: number | null }>(
    url,
    `SELECT (extract(epoch FROM r.time) * 1000)::float8 AS ms, r.temperature, m.value AS seq
       FROM sensor_readings r
       JOIN sensors s ON s.id = r.sensor_id
       LEFT JOIN sensor_metrics m ON m.sensor_id = r.sensor_id AND m.time = r.time
        AND m.metric_id = (SELECT id FROM metrics WHERE name = 'seq')
      WHERE s.key = $1 ORDER BY r.time`,
    [keyOf(sensor)],
  );
}

async function deadLetters(url: string): Promise<string[]> {
  const rows = await queryOnce<{ topic: string; reason: string; detail: string | null }>(
    url,
    'SELECT topic, reason, detail FROM dead_letters ORDER BY received_at LIMIT 100',
  );
  return rows.map(({ topic, reason, detail }) => `${topic}: ${reason} ${detail ?? ''}`);
}

/** The earliest first: what came after may be a consequence. */
function describeAll(missing: readonly Sent[], faults: readonly FaultRecord[]): string[] {
  const inOrder = [...missing].sort((a, b) => a.acknowledgedMs - b.acknowledgedMs);
  return inOrder.map((each) => describe(each, faults));
}

function describe({ message, sentMs, acknowledgedMs }: Sent, faults: readonly FaultRecord[]): string {
  const near = faults
    .filter(({ fromMs, toMs }) => fromMs - NEAR_MS < acknowledgedMs && acknowledgedMs < toMs + NEAR_MS)
    .map(({ kind, fromMs, toMs }) => `${kind} ${iso(fromMs).slice(11)}-${iso(toMs).slice(11)}`);
  const times = `sent ${iso(sentMs)}, taken by the broker ${iso(acknowledgedMs).slice(11)}`;
  return `id ${message.id} of ${keyOf(message.sensor)}, ${times}; faults near: ${near.join(', ') || 'none'}`;
}

const iso = (ms: number): string => new Date(ms).toISOString();
