import { literal } from './backend.ts';
import type { EngineOutput } from './output.ts';

/**
 * Session settings, kept apart per connection although the engine has one session.
 *
 * After a transaction that contained SET, RESET or set_config() the gateway queries the engine for the settings that differ; that set
 * is the connection's own, however it came about. Before another connection with a different set runs, the engine is
 * put into that one's. Connections without settings of their own, and a pool whose members all have the same, never
 * pay for it. SET ROLE and SESSION AUTHORIZATION do not survive a change of connection.
 */
export type Settings = ReadonlyMap<string, string>;

/**
 * The engine's initial settings are meant for initdb: sequential scans off, search_path pg_catalog, debug messages, no
 * configuration file read. These are PostgreSQL's own defaults; UTC because the data is.
 */
export const BASELINE: Settings = new Map([
  ['client_encoding', 'UTF8'],
  ['client_min_messages', 'notice'],
  ['enable_seqscan', 'on'],
  ['jit', 'off'],
  ['log_min_messages', 'fatal'],
  ['max_parallel_workers_per_gather', '0'],
  ['search_path', '"$user", public'],
  ['TimeZone', 'UTC'],
]);

/** Settings whose changes a PostgreSQL server reports to the client. */
export const REPORTED = [
  'application_name',
  'client_encoding',
  'DateStyle',
  'IntervalStyle',
  'TimeZone',
] as const;

export const CAPTURE = `SELECT name, setting FROM pg_settings WHERE source = 'session' AND name !~ '^fieldwatch\\.'`;

/** A statement that brings the engine into exactly these settings. */
export function loadScript(own: Settings): string {
  const all = new Map([...BASELINE, ...own]);
  const calls = [...all].map(([name, value]) => `set_config(${literal(name)}, ${literal(value)}, false)`);
  return `RESET SESSION AUTHORIZATION; RESET ALL; SELECT ${calls.join(', ')}`;
}

/** Sets without resetting first: after the client's own RESET, which went to the engine's defaults. */
export function restoreScript(settings: Settings): string {
  const calls = [...settings].map(
    ([name, value]) => `set_config(${literal(name)}, ${literal(value)}, false)`,
  );
  return `SELECT ${calls.join(', ')}`;
}

/** Settings that differ from the baseline. */
export function ownSettings(captured: Settings): Map<string, string> {
  const own = new Map<string, string>();
  for (const [name, value] of captured) if (BASELINE.get(name) !== value) own.set(name, value);
  return own;
}

/** Two connections with the same signature need no switching. */
export function signature(settings: Settings): string {
  return [...settings]
    .map(([name, value]) => `${name}=${value}`)
    .sort()
    .join('\n');
}

/** A duration setting in milliseconds; 0 is off. PostgreSQL shows plain milliseconds; clients may send units. */
export function durationMs(settings: Settings, name: string): number {
  const found = /^(\d+(?:\.\d+)?)\s*(us|ms|s|min|h|d)?$/.exec(settings.get(name)?.trim() ?? '');
  if (found === null) return 0;
  const unit = { us: 0.001, ms: 1, s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000 }[found[2] ?? 'ms'] ?? 1;
  return Math.ceil(Number(found[1]) * unit);
}

/** The rows of a result as text; null for NULL. */
export function textRows(output: EngineOutput): (string | null)[][] {
  const data = output.chunks.length === 1 ? output.chunks[0]! : Buffer.concat(output.chunks);
  const rows: (string | null)[][] = [];
  for (let at = 0; at < data.length; at += 1 + data.readInt32BE(at + 1)) {
    if (data[at] !== 0x44) continue;
    const row: (string | null)[] = [];
    let field = at + 7;
    for (let left = data.readInt16BE(at + 5); left > 0; left--) {
      const length = data.readInt32BE(field);
      row.push(length < 0 ? null : data.toString('utf8', field + 4, field + 4 + length));
      field += 4 + Math.max(0, length);
    }
    rows.push(row);
  }
  return rows;
}
