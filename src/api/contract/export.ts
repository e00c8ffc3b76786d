import * as z from '../../core/schema/zod.ts';
import { readingsQuery } from './readings.ts';

export const EXPORT_FORMATS = ['csv', 'parquet'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

export const EXPORT_ROWS = ['readings', 'buckets'] as const;
export type ExportRows = (typeof EXPORT_ROWS)[number];

export const exportQuery = readingsQuery
  .extend({
    format: z.enum(EXPORT_FORMATS).default('csv').describe('csv: RFC 4180 with LF, times in UTC'),
    rows: z
      .enum(EXPORT_ROWS)
      .default('readings')
      .describe(
        'readings: each as it is stored, a column a metric; step and points do not count. buckets: what `readings` answers for the same question, a row a metric and bucket',
      ),
  })
  .meta({ id: 'ExportQuery' });
export type ExportQuery = z.input<typeof exportQuery>;
