// Writes what sql/ creates, as the `definitions` check compares it: src/core/policy/schema/expected-schema.ts. A test fails when
// it is stale. Run after each new migration: npm run sql:expected
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { format } from 'prettier';
import { createCatalog } from '../dist/adapters/timescale/policy/catalog.js';
import { migrateDatabase } from '../dist/adapters/timescale/migrate/migrate.js';
import { decodeSchema, describeSchema, schemaQueries } from '../dist/core/policy/schema/schema.js';
import { startEmbeddedTimescale } from '../dist/embedded/timescale-process.js';

const folder = await mkdtemp(join(tmpdir(), 'fieldwatch-schema-'));
const server = await startEmbeddedTimescale({ dataDir: folder, port: 0 });
try {
  await migrateDatabase(server.url);
  const catalog = createCatalog({ url: server.url });
  const tables = await catalog.select(
    `SELECT c.relname::text AS name FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
     UNION ALL SELECT user_view_name::text FROM _timescaledb_catalog.continuous_agg`,
  );
  const [applied] = await catalog.select('SELECT max(version) AS version FROM schema_migrations');
  const answers = [];
  for (const { text, values } of schemaQueries(
    'public',
    tables.map(({ name }) => name),
  ))
    answers.push(await catalog.select(text, values));
  await catalog.close();
  const schema = describeSchema(applied.version, 'public', decodeSchema(answers));
  const source = `import type { DatabaseSchema } from './schema.ts';

/** The schema that sql/ creates. Generated: \`npm run sql:expected\` after a new migration. */
export const EXPECTED_SCHEMA: DatabaseSchema = ${JSON.stringify(schema)};`;
  const target = new URL('../src/core/policy/schema/expected-schema.ts', import.meta.url);
  await writeFile(target, await format(source, { parser: 'typescript', printWidth: 110, singleQuote: true }));
} finally {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
}
