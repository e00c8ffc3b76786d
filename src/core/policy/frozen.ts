import { counted } from '../counted.ts';
import type { CatalogRow } from './catalog.ts';
import { literal } from './repair/policy-sql.ts';
import { optionalText } from './row.ts';

/** Bits of a chunk's status. A partial chunk has late rows in row form; a frozen one rejects changes. */
export const FROZEN = 4;
export const PARTIAL = 8;

/** More names would not make the remedy clearer. */
const MOST_NAMED = 20;

/** The chunk names in a column, one per line, as `frozenNames` selects them. */
export const frozenChunks = (row: CatalogRow): readonly string[] =>
  (optionalText(row, 'frozen') ?? '').split('\n').filter((name) => name !== '');

/** The names of the chunks `c` that are frozen, by their `status`. */
export const frozenNames = (condition = 'true'): string =>
  `string_agg(format('%I.%I', c.chunk_schema, c.chunk_name), E'\\n' ORDER BY c.range_start)
    FILTER (WHERE status & ${FROZEN} <> 0 AND ${condition}) AS frozen`;

/** `otherwise`, or a remedy that thaws the chunks first: no policy and no repair changes a frozen one. */
export function afterThaw(chunks: readonly string[], otherwise: string): string {
  if (chunks.length === 0) return otherwise;
  const named = chunks.slice(0, MOST_NAMED);
  const more = chunks.length - named.length;
  const thaw = named.map((name) => `SELECT _timescaledb_functions.unfreeze_chunk(${literal(name)});`);
  const rest = more === 0 ? '' : ` the same for ${counted(more, 'other')};`;
  return `${counted(chunks.length, 'chunk')} ${chunks.length === 1 ? 'is' : 'are'} frozen, and no policy changes ${chunks.length === 1 ? 'it' : 'them'}: ${thaw.join(' ')} --${rest} then ${otherwise}`;
}
