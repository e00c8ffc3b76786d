import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { FieldwatchError } from '../../../core/errors.ts';
import { packageRoot } from '../../../lib/package-root.ts';

/** One numbered file of `sql/`. Files are append-only: what is released is never edited (its checksum is kept). */
export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
  readonly checksum: string;
  /**
   * False for a file with the line `-- fieldwatch: no-transaction`. Such a file holds one single statement (several in
   * one message would be one transaction again) that is safe to run twice.
   */
  readonly transactional: boolean;
}

const FILE = /^(\d{4})_([a-z0-9_]+)\.sql$/;
const NO_TRANSACTION = /^-- fieldwatch: no-transaction\s*$/m;

/** Reads the migrations in order; refuses a folder with gaps, doubles or misnamed files. */
export function loadMigrations(folder: string = path.join(packageRoot(), 'sql')): readonly Migration[] {
  const files = readdirSync(folder)
    .filter((name) => name.endsWith('.sql'))
    .sort();
  const migrations = files.map((file) => readMigration(folder, file));
  migrations.forEach((migration, index) => {
    if (migration.version !== index + 1) throw misnumbered(folder, files[index] ?? '', index + 1);
  });
  if (migrations.length === 0) throw misnumbered(folder, '(nothing)', 1);
  return migrations;
}

function readMigration(folder: string, file: string): Migration {
  const match = FILE.exec(file);
  if (match === null) throw misnumbered(folder, file, undefined);
  const sql = readFileSync(path.join(folder, file), 'utf8');
  return {
    version: Number(match[1]),
    name: match[2] ?? '',
    sql,
    checksum: checksumOf(sql),
    transactional: !NO_TRANSACTION.test(sql),
  };
}

/** Line ends do not count: a checkout with CRLF is the same migration. */
const checksumOf = (sql: string) => createHash('sha256').update(sql.replaceAll('\r\n', '\n')).digest('hex');

function misnumbered(folder: string, file: string, expected: number | undefined): FieldwatchError {
  const wanted = expected === undefined ? 'NNNN_name.sql' : `${String(expected).padStart(4, '0')}_….sql`;
  return new FieldwatchError(`migrations: ${path.join(folder, file)}: expected ${wanted}`, {
    code: 'MIGRATION_FILES',
    kind: 'bug',
    remedy: 'Reinstall fieldwatch: its sql/ folder is damaged.',
  });
}
