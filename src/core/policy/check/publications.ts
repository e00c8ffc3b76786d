import type { CatalogRow } from '../catalog.ts';
import type { PolicyCheck, RepairStep } from '../check.ts';
import type { Finding } from '../finding.ts';
import { OUR_TABLES } from '../schema/our-tables.ts';
import { identifier } from '../repair/policy-sql.ts';

import { flagOf, textOf } from '../row.ts';
import type { ServerFacts } from '../snapshot.ts';

const CHECK = 'publications';

// PostgreSQL rejects UPDATE and DELETE of a published table whose replica identity is missing, or lacks a column of
// the publication's row filter, or exceeds its list of columns. It checks the chunks that a statement touches. The
// columns of a filter are in pg_depend together with the list of columns: hence its text as well. TimescaleDB 2.22 to
// 2.26.2 deletes from a table of its own as any program does when it refreshes.
const PUBLISHED = `
WITH published AS MATERIALIZED (SELECT oid, pubname, pubowner, puballtables FROM pg_publication WHERE pubupdate OR pubdelete),
roots AS MATERIALIZED (SELECT c.oid, c.relname::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = current_schema() AND c.relname = ANY ($1::text[]) AND c.relkind = 'r' AND EXISTS (SELECT FROM published)
  UNION ALL
  SELECT c.oid, a.user_view_name::text FROM _timescaledb_catalog.continuous_agg a
  JOIN _timescaledb_catalog.hypertable h ON h.id = a.mat_hypertable_id
  JOIN pg_namespace n ON n.nspname = h.schema_name JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = h.table_name
  WHERE a.user_view_schema = current_schema() AND a.user_view_name = ANY ($1::text[]) AND EXISTS (SELECT FROM published)
  UNION ALL
  SELECT c.oid, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_extension e ON e.extname = 'timescaledb'
  WHERE n.nspname = '_timescaledb_catalog' AND c.relname = 'continuous_aggs_materialization_ranges' AND EXISTS (SELECT FROM published)
    AND string_to_array(substring(e.extversion FROM '^[0-9.]+'), '.')::int[] BETWEEN '{2,22}' AND '{2,26,2}'),
held AS MATERIALIZED (SELECT roots.oid AS root, roots.name, c.oid, c.relnamespace, c.relreplident = 'f' AS whole,
    (SELECT i.indkey::int2[] FROM pg_index i WHERE i.indrelid = c.oid AND i.indislive AND i.indisvalid
       AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident END) AS key
  FROM roots JOIN pg_class c ON c.oid = roots.oid OR c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = roots.oid)
  WHERE c.relkind = 'r' AND c.relpersistence = 'p'),
faults AS (SELECT p.pubname, p.pubowner, held.root, held.name,
    CASE WHEN r.prattrs IS NOT NULL AND (held.whole OR NOT held.key <@ r.prattrs::int2[]) THEN 'columns'
      WHEN NOT held.whole AND held.key IS NULL THEN CASE WHEN r.prattrs IS NULL THEN 'none' ELSE 'columns' END
      WHEN NOT held.whole AND EXISTS (SELECT FROM pg_depend d JOIN pg_attribute a ON a.attrelid = held.oid AND a.attnum = d.refobjsubid
        WHERE d.classid = 'pg_publication_rel'::regclass AND d.objid = r.oid AND d.refobjid = held.oid AND a.attnum <> ALL (held.key)
          AND pg_get_expr(r.prqual, held.oid) ~ ('\\m' || a.attname || '\\M')) THEN CASE WHEN r.prattrs IS NULL THEN 'filter' ELSE 'columns' END
    END AS fault
  FROM held JOIN published p ON true LEFT JOIN pg_publication_rel r ON r.prpubid = p.oid AND r.prrelid = held.oid
  WHERE p.puballtables OR r.oid IS NOT NULL OR held.relnamespace IN (SELECT pnnspid FROM pg_publication_namespace WHERE pnpubid = p.oid))
SELECT pubname::text AS publication, pg_get_userbyid(pubowner)::text AS owner, name, fault,
  (SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = root) AS "table",
  EXISTS (SELECT FROM pg_index i WHERE i.indrelid = root AND i.indisprimary) AS keyed,
  (SELECT pg_has_role(c.relowner, 'USAGE') FROM pg_class c WHERE c.oid = root) AS ours
FROM faults WHERE fault IS NOT NULL GROUP BY pubname, pubowner, root, name, fault ORDER BY 1, 3, 4`;

/** No publication of another program blocks updates or deletes of these tables, refreshes included. */
export const publicationsCheck: PolicyCheck = {
  name: CHECK,
  about: 'no publication makes updates and deletes of these tables fail',
  queries: () => [{ text: PUBLISHED, values: [OUR_TABLES] }],
  evaluate: (_plan, { server }, [rows = []]) => publicationsOf(rows).map((of) => evaluate(of, server)),
  repair: {
    steps: ({ answers: [rows = []] }) => publicationsOf(rows).flatMap(steps),
  },
};

interface Fault {
  readonly name: string;
  /** `columns`: no identity of the table matches the publication's list of columns. */
  readonly kind: 'none' | 'filter' | 'columns';
  /** Qualified and quoted; for an aggregate the table of its rows. */
  readonly table: string;
  readonly keyed: boolean;
  readonly ours: boolean;
}

interface Publication {
  readonly name: string;
  readonly owner: string;
  readonly faults: readonly Fault[];
}

function publicationsOf(rows: readonly CatalogRow[]): readonly Publication[] {
  const names = [...new Set(rows.map((row) => textOf(row, 'publication')))];
  return names.map((name) => {
    const own = rows.filter((row) => textOf(row, 'publication') === name);
    const faults = own.map((row) => ({
      name: textOf(row, 'name'),
      kind: textOf(row, 'fault') as Fault['kind'],
      table: textOf(row, 'table'),
      keyed: flagOf(row, 'keyed'),
      ours: flagOf(row, 'ours'),
    }));
    return { name, owner: own.map((row) => textOf(row, 'owner'))[0] ?? '', faults };
  });
}

const subjectOf = ({ name }: Publication): string => `publication ${name}`;

/** A faulty identity is replaced by another one: no reader of the table is affected. */
const alterations = (faults: readonly Fault[]): readonly string[] =>
  faults
    .filter(({ kind }) => kind !== 'columns')
    .map(
      ({ table, keyed, kind }) =>
        `ALTER TABLE ${table} REPLICA IDENTITY ${keyed && kind === 'none' ? 'DEFAULT' : 'FULL'}`,
    );

const REASONS: Readonly<Record<Fault['kind'], string>> = {
  none: 'which has no replica identity',
  filter: 'whose replica identity lacks a column of its row filter',
  columns: 'whose replica identity is not within its list of columns',
};

function evaluate(publication: Publication, { role }: ServerFacts): Finding {
  const { name, owner, faults } = publication;
  const byList = faults.some(({ kind }) => kind === 'columns');
  const identities = alterations(faults).map((sql) => `${sql};`);
  const list = byList ? [`ALTER PUBLICATION ${identifier(name)} SET (publish = 'insert, truncate');`] : [];
  const mayAll = faults.every(({ ours }) => ours) && (!byList || owner === role);
  return {
    ...{ check: CHECK, subject: subjectOf(publication), verdict: 'unsafe', severity: 'critical' },
    expected: 'updates and deletes of the tables of fieldwatch are possible, published or not',
    actual: `${name} publishes those of ${faults.map((fault) => `${fault.name}, ${REASONS[fault.kind]}`).join('; ')}: they fail with 55000 or 42P10`,
    remedy: `${mayAll ? '' : 'as superuser: '}${[...identities, ...list].join(' ')}${byList ? ' -- or publish all columns of the tables of fieldwatch: no replica identity serves a list of some' : ''}`,
  };
}

const steps = (publication: Publication): readonly RepairStep[] =>
  alterations(publication.faults.filter(({ ours }) => ours)).map((sql) => ({
    ...{ check: CHECK, subject: subjectOf(publication), effect: 'settings', sql },
    about: `updates and deletes that ${publication.name} publishes are possible`,
  }));
