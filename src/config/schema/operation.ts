import type { validate } from 'node-cron';
import * as z from '../../core/schema/zod.ts';
import { duration } from '../../core/schema/common.ts';
import { flag, section, text, timezone } from '../../core/schema/fields.ts';
import { loadLibrary } from '../../lib/load-library.ts';

const cron = (fallback: string, description: string) =>
  text(description)
    // The library is loaded for expressions of the user's own.
    .refine((value) => value === fallback || isCron(value), {
      error:
        'is no cron expression; expected five fields "minute hour day month weekday" (or six with seconds)',
    })
    .default(fallback);

const isCron = (value: string): boolean =>
  (loadLibrary('node-cron') as { readonly validate: typeof validate }).validate(value);

export const schedulerSchema = section(
  {
    enabled: flag(true, 'verify policies on schedule; false: only `fieldwatch policies verify` does'),
    timezone: timezone(
      'IANA zone in which the expressions are read; a time of day that summer time skips has no slot that day',
    ).default('UTC'),
    verify: cron('*/5 * * * *', 'when declared policies are verified, besides at start'),
    run_jobs: cron(
      '* * * * *',
      'when due jobs are run on the embedded database, which has no background workers',
    ),
  },
  'policy verification on a schedule',
);

export const appMetricsSchema = section(
  {
    enabled: flag(true, "write the daemon's own figures to the table app_metrics"),
    every: duration({ min: '1s', max: '1d' }).prefault('1m').describe('time between two rows of a figure'),
  },
  "the daemon's own figures in the database, for dashboards that read nothing else",
);

export const logSchema = section(
  {
    level: z.enum(['debug', 'info', 'warn', 'error']).default('info').describe('least level that is logged'),
    format: z
      .enum(['auto', 'json', 'pretty'])
      .default('auto')
      .describe('auto: pretty on a terminal, JSON lines otherwise'),
    alert_log: text(
      'file that gets the alert lines too, as JSON lines; relative to the working directory',
    ).optional(),
  },
  'the log, on standard error',
);
