import type { Db } from './db.ts';

/** The planner's choice for one of our queries: the chunks it opens, out of those of the same hypertables. */
export interface Explained {
  readonly query: string;
  readonly touched: number;
  readonly of: number;
}

const CHUNK = /^_hyper_(\d+)_\d+_chunk$/;

const counts = `
SELECT count(*)::int AS chunks FROM timescaledb_information.chunks
WHERE chunk_name ~ '^_hyper_\\d+_\\d+_chunk$' AND split_part(chunk_name::text, '_', 3) = ANY ($1::text[])`;

/**
 * Explains the query that `ask` sends instead of running it. A query that is not bounded in time opens every chunk, and
 * blocks while one of them is being compressed.
 */
export async function explain(db: Db, name: string, ask: (db: Db) => Promise<unknown>): Promise<Explained> {
  const relations = new Set<string>();
  const explaining: Db = {
    async query<Row>(text: string, values: unknown[]) {
      const { rows } = await db.query<Record<string, unknown>>(`EXPLAIN (FORMAT JSON) ${text}`, values);
      collect(rows[0]?.['QUERY PLAN'], relations);
      return { rows: [] as Row[] };
    },
  };
  await ask(explaining);
  const chunks = [...relations].filter((relation) => CHUNK.test(relation));
  const hypertables = [...new Set(chunks.map((chunk) => CHUNK.exec(chunk)?.[1] ?? ''))];
  const [all] = (await db.query<{ chunks: number }>(counts, [hypertables])).rows;
  return { query: name, touched: chunks.length, of: all?.chunks ?? 0 };
}

/** Every relation that a plan names, at any depth. */
function collect(node: unknown, found: Set<string>): void {
  if (Array.isArray(node)) {
    for (const child of node) collect(child, found);
  } else if (typeof node === 'object' && node !== null) {
    for (const [key, value] of Object.entries(node)) {
      if (key === 'Relation Name' && typeof value === 'string') found.add(value);
      else collect(value, found);
    }
  }
}
