import type * as z from '../../core/schema/zod.ts';
import { readDatabaseUrl } from '../../core/database-url.ts';
import { duration } from '../../core/schema/common.ts';
import {
  certificatePair,
  flag,
  readFilePath,
  secret,
  section,
  text,
  whole,
} from '../../core/schema/fields.ts';

const readableUrl = (value: string, context: z.core.$RefinementCtx<string>): void => {
  const read = readDatabaseUrl(value);
  if ('fault' in read) context.addIssue({ code: 'custom', message: read.fault });
};

export const databaseSchema = section(
  {
    url: text(
      'TimescaleDB, such as postgres://fieldwatch@db.example:5432/fieldwatch?sslmode=verify-full; several hosts: a:5432,b:5432; absent: the embedded one',
    )
      .superRefine(readableUrl)
      .optional(),
    read_url: text(
      'a standby, or several, that answers commands which only read (readings, alerts, sensors …), behind by its replication; absent: url',
    )
      .superRefine(readableUrl)
      .optional(),
    schema: text('schema of the tables; absent: the one that has them, or else the first of the search_path')
      .regex(/^[^\p{Cc}"'\\]{1,63}$/u, 'is no name of a schema')
      .optional(),
    password: secret('password; better in password_file or the environment').optional(),
    password_file: readFilePath('file that holds the password; a trailing newline is cut').optional(),
    tls: section(
      {
        ca_file: readFilePath('PEM file of the authority that signed the server certificate').optional(),
        cert_file: readFilePath('PEM file of the client certificate').optional(),
        key_file: readFilePath('PEM file of the client key').optional(),
      },
      'TLS; the mode comes from sslmode in url',
    )
      .superRefine(certificatePair)
      .prefault({}),
    pool: whole(
      { min: 1, max: 64, fallback: 4 },
      'connections for lookups, checks and queries; batches have one of their own',
    ),
    connect_timeout: duration({ min: '100ms', max: '10m' })
      .prefault('10s')
      .describe('wait for a connection, and for a free one in the pool'),
    statement_timeout: duration({ min: '100ms', max: '1d' })
      .prefault('60s')
      .describe('a statement that takes longer is cancelled and, where it was a batch, tried again'),
    lock_timeout: duration({ min: '10ms', max: '1h' })
      .prefault('10s')
      .describe('wait for a lock, for instance of a chunk that is being compressed'),
    application_name: text('shown in pg_stat_activity').max(63).default('fieldwatch'),
    migrate_at_start: flag(
      true,
      'bring the schema up to date at start; false: only `fieldwatch migrate` does',
    ),
  },
  'the database connection',
).superRefine(({ url, read_url: readUrl }, context) => {
  if (readUrl !== undefined && url === undefined)
    context.addIssue({
      code: 'custom',
      path: ['read_url'],
      message: 'needs url: the embedded database has no standby',
    });
});
