import type { CatalogRow, CheckQuery } from '../catalog.ts';

import { type ViewDefinition, parseView } from './expected-view.ts';
import { flagOf, listOf, numberOf, objectOf, optionalText, textOf } from '../row.ts';

/** A column as PostgreSQL describes it; the type as format_type() prints it. */
export interface ColumnSchema {
  readonly type: string;
  readonly notNull?: true;
  readonly default?: string;
  readonly identity?: 'ALWAYS' | 'BY DEFAULT';
  /** The expression of a generated column. */
  readonly generated?: string;
  /** If not that of the type. */
  readonly collation?: string;
}

/** One of our tables, or the table that holds the rows of an aggregate, with the aggregate's query. */
export interface RelationSchema {
  /** In their order. */
  readonly columns: Readonly<Record<string, ColumnSchema>>;
  /** Name -> `PRIMARY KEY (id)`, or an index as pg_get_indexdef() prints it from its method on. */
  readonly unique: Readonly<Record<string, string>>;
  readonly indexes: readonly string[];
  /** Name -> CHECK, FOREIGN KEY or EXCLUDE, as pg_get_constraintdef() prints it. */
  readonly constraints: Readonly<Record<string, string>>;
  readonly view?: ViewDefinition;
}

/** The schema that sql/ creates: in `expected-schema.ts`, generated from a migrated database. */
export interface DatabaseSchema {
  /** The number of the newest migration. */
  readonly version: number;
  readonly relations: Readonly<Record<string, RelationSchema>>;
}

export interface FoundIndex {
  /** Qualified and quoted. */
  readonly name: string;
  /** From its method on. */
  readonly definition: string;
  readonly unique: boolean;
  /** False after a failed build: it may have admitted duplicates, and no query uses it. */
  readonly usable: boolean;
  readonly constraint: string | undefined;
  readonly primary: boolean;
}

export interface FoundColumn extends ColumnSchema {
  readonly name: string;
}

export interface FoundRelation {
  readonly name: string;
  /** Qualified and quoted: the table itself, which differs from the view of an aggregate. */
  readonly table: string;
  readonly columns: readonly FoundColumn[];
  readonly indexes: readonly FoundIndex[];
  readonly constraints: Readonly<Record<string, string>>;
}

export interface FoundView {
  readonly name: string;
  /** Qualified and quoted name -> PostgreSQL's text: as created, as refreshed by, as read. */
  readonly direct: { readonly view: string; readonly text: string };
  readonly partial: { readonly view: string; readonly text: string };
  readonly user: { readonly view: string; readonly text: string };
  readonly realtime: boolean;
  /** The schema of the extension. */
  readonly extension: string;
}

/** One kind of fault in chunks: the parent has something that they lack, or vice versa. */
export interface ChunkFault {
  readonly name: string;
  readonly fault: 'missing' | 'invalid' | 'unique' | 'constraint';
  readonly definition: string;
  readonly unique: boolean;
  readonly chunks: number;
  /** Qualified and quoted, as `object`: those of one of them. */
  readonly chunk: string;
  readonly object: string;
}

/** Names outside of pg_catalog are printed qualified, whatever the search_path is. */
const PINNED = `pinned AS MATERIALIZED (SELECT set_config('search_path', 'pg_catalog', true) AS path)`;

// An aggregate's rows are in a table of its own.
const OURS = `ours AS MATERIALIZED (
  SELECT c.oid, c.relname::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = $1 AND c.relname = ANY ($2::text[]) AND c.relkind IN ('r', 'p')
  UNION ALL
  SELECT c.oid, a.user_view_name::text FROM _timescaledb_catalog.continuous_agg a
  JOIN _timescaledb_catalog.hypertable h ON h.id = a.mat_hypertable_id
  JOIN pg_namespace n ON n.nspname = h.schema_name
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = h.table_name
  WHERE a.user_view_schema = $1 AND a.user_view_name = ANY ($2::text[]))`;

const USABLE = 'i.indisvalid AND i.indisready AND i.indislive AND i.indimmediate';
const FROM_METHOD = `substring(pg_get_indexdef(i.indexrelid) FROM ' USING (.*)$')`;

/**
 * An index without expressions, by what its definition is printed from; null: one that has to be printed. Printing takes
 * several look-ups in the catalog, thousands of times the same, unless a column has another number in the chunk (\`shifted\`).
 */
const PLAIN = `CASE WHEN i.indexprs IS NULL AND i.indpred IS NULL AND k.relam = (SELECT oid FROM pg_am WHERE amname = 'btree')
    THEN concat_ws(' ', i.indisunique, i.indnullsnotdistinct, i.indnkeyatts, i.indkey, '/', i.indclass, '/', i.indcollation, '/', i.indoption, '/', k.reloptions) END`;

// The type of each column by its index: joined, all types are read for each relation, and each chunk has two.
const RELATIONS = `
WITH ${PINNED}, ${OURS}
SELECT ours.name, ours.oid::regclass::text AS "table",
  (SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
      'notNull', nullif(a.attnotnull OR (t.typtype = 'd' AND t.typnotnull), false),
      CASE WHEN a.attgenerated = '' THEN 'default' ELSE 'generated' END, pg_get_expr(d.adbin, d.adrelid),
      'identity', CASE a.attidentity WHEN 'a' THEN 'ALWAYS' WHEN 'd' THEN 'BY DEFAULT' END,
      'collation', CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation::regcollation::text END))
      ORDER BY a.attnum)
    FROM pg_attribute a
    CROSS JOIN LATERAL (SELECT typtype, typnotnull, typcollation FROM pg_type WHERE oid = a.atttypid OFFSET 0) t
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = ours.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
  (SELECT jsonb_agg(jsonb_build_object('name', i.indexrelid::regclass::text, 'definition', ${FROM_METHOD},
      'unique', i.indisunique, 'usable', ${USABLE}, 'constraint', k.conname, 'primary', i.indisprimary) ORDER BY c.relname)
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    LEFT JOIN pg_constraint k ON k.conrelid = i.indrelid AND k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')
    WHERE i.indrelid = ours.oid) AS indexes,
  (SELECT jsonb_object_agg(k.conname, replace(pg_get_constraintdef(k.oid), ' REFERENCES ' || quote_ident($1) || '.', ' REFERENCES '))
    FROM pg_constraint k WHERE k.conrelid = ours.oid AND k.contype IN ('c', 'f', 'x')) AS constraints
FROM pinned CROSS JOIN ours WHERE pinned.path IS NOT NULL ORDER BY ours.name`;

const VIEWS = `
WITH ${PINNED}
SELECT a.user_view_name::text AS name, NOT a.materialized_only AS realtime,
  (SELECT n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
    WHERE e.extname = 'timescaledb') AS extension,
  (SELECT jsonb_object_agg(v.role, jsonb_build_object('view', c.oid::regclass::text, 'text', pg_get_viewdef(c.oid)))
    FROM (VALUES ('user', a.user_view_schema, a.user_view_name), ('partial', a.partial_view_schema, a.partial_view_name),
      ('direct', a.direct_view_schema, a.direct_view_name)) AS v (role, schema, name)
    JOIN pg_namespace n ON n.nspname = v.schema JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = v.name) AS views
FROM pinned CROSS JOIN _timescaledb_catalog.continuous_agg a
WHERE pinned.path IS NOT NULL AND a.user_view_schema = $1 AND a.user_view_name = ANY ($2::text[])
ORDER BY 1`;

// TimescaleDB gives each chunk the indexes of its table, and a check of its own for its range. Parents and chunks are compared
// by grouping and not by joins: the planner cannot estimate them, and would compare each with each.
const CHUNKS = `
WITH ${PINNED}, ${OURS},
chunks AS MATERIALIZED (SELECT ours.name, h.inhparent AS parent, h.inhrelid AS chunk FROM ours
  JOIN pg_inherits h ON h.inhparent = ours.oid JOIN pg_class c ON c.oid = h.inhrelid AND c.relkind = 'r'),
numbered AS MATERIALIZED (SELECT a.attrelid, a.attnum, a.attname FROM ours JOIN pg_attribute a ON a.attrelid = ours.oid AND a.attnum > 0),
shifted AS MATERIALIZED (SELECT DISTINCT chunks.chunk
  FROM chunks CROSS JOIN LATERAL (SELECT a.attnum, a.attname FROM pg_attribute a WHERE a.attrelid = chunks.chunk AND a.attnum > 0 OFFSET 0) a
  WHERE (chunks.parent, a.attnum, a.attname) NOT IN (SELECT attrelid, attnum, attname FROM numbered)),
wanted AS MATERIALIZED (
  SELECT i.indrelid AS relation, i.indisunique AS uniq, ${USABLE} AS usable, ${FROM_METHOD} AS definition, ${PLAIN} AS plain
  FROM pinned CROSS JOIN ours JOIN pg_index i ON i.indrelid = ours.oid JOIN pg_class k ON k.oid = i.indexrelid WHERE pinned.path IS NOT NULL),
plain AS MATERIALIZED (SELECT relation, plain, min(definition) AS definition FROM wanted WHERE plain IS NOT NULL GROUP BY relation, plain),
added AS MATERIALIZED (
  SELECT chunks.*, k.conname, pg_get_constraintdef(k.oid) AS definition FROM pinned CROSS JOIN chunks
  JOIN pg_constraint k ON k.conrelid = chunks.chunk AND k.contype IN ('c', 'f', 'x') AND k.conname !~ '^constraint_[0-9]+$'
  WHERE pinned.path IS NOT NULL),
defined AS MATERIALIZED (
  SELECT chunks.*, i.indexrelid, i.indisunique AS uniq, ${USABLE} AS usable, coalesce(plain.definition, ${FROM_METHOD}) AS definition
  FROM pinned CROSS JOIN chunks JOIN pg_index i ON i.indrelid = chunks.chunk JOIN pg_class k ON k.oid = i.indexrelid
  LEFT JOIN shifted ON shifted.chunk = chunks.chunk
  LEFT JOIN plain ON plain.relation = chunks.parent AND plain.plain = ${PLAIN} AND shifted.chunk IS NULL WHERE pinned.path IS NOT NULL),
compared AS MATERIALIZED (
  SELECT name, chunk, definition, uniq, bool_or(parents) AS wanted, bool_or(parents AND usable) AS needed,
    bool_or(NOT parents) AS own, bool_or(NOT parents AND usable) AS usable, min(indexrelid)::regclass::text AS object
  FROM (SELECT chunks.name, chunks.chunk, wanted.definition, wanted.uniq, wanted.usable, true AS parents, NULL::oid AS indexrelid
      FROM chunks JOIN wanted ON wanted.relation = chunks.parent
    UNION ALL SELECT name, chunk, definition, uniq, usable, false, indexrelid FROM defined) indexes
  GROUP BY name, chunk, definition, uniq),
faults AS (
  SELECT name, chunk, CASE WHEN own THEN 'invalid' ELSE 'missing' END AS fault, definition, uniq, object
  FROM compared WHERE needed AND NOT usable
  UNION ALL
  SELECT name, chunk, 'unique', definition, true, object FROM compared WHERE uniq AND own AND NOT wanted
  UNION ALL
  SELECT own.name, own.chunk, 'constraint', own.definition, false, quote_ident(own.conname) FROM added own
  WHERE NOT EXISTS (SELECT FROM pinned CROSS JOIN pg_constraint k WHERE pinned.path IS NOT NULL AND k.conrelid = own.parent
    AND k.contype IN ('c', 'f', 'x') AND pg_get_constraintdef(k.oid) = own.definition))
SELECT name, fault, definition, uniq AS "unique", count(*)::int AS chunks, (array_agg(chunk ORDER BY chunk))[1]::regclass::text AS chunk,
  (array_agg(object ORDER BY chunk))[1] AS object
FROM faults GROUP BY name, fault, definition, uniq ORDER BY name, fault, definition`;

/** PostgreSQL's description of our tables and aggregates, of their queries, and of their chunks where these differ. */
export const schemaQueries = (schema: string, names: readonly string[]): readonly CheckQuery[] =>
  [RELATIONS, VIEWS, CHUNKS].map((text) => ({ text, values: [schema, names] }));

export interface FoundSchema {
  readonly relations: readonly FoundRelation[];
  readonly views: readonly FoundView[];
  readonly chunkFaults: readonly ChunkFault[];
}

/** The answers to `schemaQueries`. */
export const decodeSchema = ([
  relations = [],
  views = [],
  faults = [],
]: readonly (readonly CatalogRow[])[]): FoundSchema => ({
  relations: relations.map((row) => ({
    name: textOf(row, 'name'),
    table: textOf(row, 'table'),
    columns: listOf<FoundColumn>(row, 'columns'),
    indexes: listOf<FoundIndex>(row, 'indexes'),
    constraints: objectOf(row, 'constraints') as Readonly<Record<string, string>>,
  })),
  views: views.map((row) => ({
    name: textOf(row, 'name'),
    ...(objectOf(row, 'views') as unknown as Pick<FoundView, 'direct' | 'partial' | 'user'>),
    realtime: flagOf(row, 'realtime'),
    extension: textOf(row, 'extension'),
  })),
  chunkFaults: faults.map((row) => ({
    name: textOf(row, 'name'),
    fault: textOf(row, 'fault') as ChunkFault['fault'],
    definition: textOf(row, 'definition'),
    unique: flagOf(row, 'unique'),
    chunks: numberOf(row, 'chunks'),
    chunk: textOf(row, 'chunk'),
    object: optionalText(row, 'object') ?? '',
  })),
});

/** The found schema as an expectation: `scripts/expected-schema.js` writes it down. */
export function describeSchema(version: number, schema: string, found: FoundSchema): DatabaseSchema {
  const describe = (relation: FoundRelation): RelationSchema => {
    const view = found.views.find(({ name }) => name === relation.name);
    const unique = relation.indexes.filter((index) => index.unique);
    return {
      columns: Object.fromEntries(relation.columns.map(({ name, ...column }) => [name, column])),
      unique: Object.fromEntries(unique.map((index) => [bare(index.name), primaryOr(index)])),
      indexes: relation.indexes
        .filter((index) => !index.unique)
        .map(({ definition }) => definition)
        .sort(),
      constraints: relation.constraints,
      ...(view === undefined
        ? {}
        : { view: parseView(view.direct.text, { schema, extension: view.extension }) }),
    };
  };
  return {
    version,
    relations: Object.fromEntries(found.relations.map((each) => [each.name, describe(each)])),
  };
}

const bare = (name: string): string => name.replace(/^.*\./, '');
const primaryOr = ({ primary, definition }: FoundIndex): string =>
  primary ? definition.replace(/^btree/, 'PRIMARY KEY') : definition;
