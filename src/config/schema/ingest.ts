import type * as z from '../../core/schema/zod.ts';
import { backoff, bytes, duration } from '../../core/schema/common.ts';
import { ordered, section, whole } from '../../core/schema/fields.ts';

const MIB = 1024 ** 2;

const batch = section(
  {
    max_rows: whole(
      { min: 1, max: 100_000, fallback: 10_000 },
      'rows of one batch (one COPY, one transaction)',
    ),
    max_bytes: bytes({ min: 1024, max: 256 * MIB })
      .prefault('8MiB')
      .describe('payload bytes of one batch'),
    linger: duration({ max: '10s' })
      .prefault('50ms')
      .describe(
        'longest wait of a first row for further rows; with a message for each 10 ms of it, or where the broker sends no more before an acknowledgement, twice what a commit takes (4 to 20 ms; 20 ms where CPU is short); each member of a share group waits as many times longer as it has members (at most 200 ms); no effect under load',
      ),
  },
  'when a batch is written: whichever limit is reached first',
);

const window = section(
  {
    max_rows: whole(
      { min: 1, max: 10_000_000, fallback: 100_000 },
      'rows received and not yet stored or spooled',
    ),
    max_bytes: bytes({ min: 1024, max: 4096 * MIB })
      .prefault('64MiB')
      .describe('payload bytes received and not yet stored or spooled'),
  },
  'bound of memory: at the limit, reading from the broker pauses while pings go on',
);

const retry = backoff(
  { least: '1ms', mostAtFirst: '1m', first: '100ms', every: '30s' },
  'jittered wait before a batch is tried again after a transient error',
);

const sections = section(
  { batch: batch.prefault({}), window: window.prefault({}), retry: retry.prefault({}) },
  'from message to committed row',
);

// A batch that can never fill within the window would wait for `linger` each time and halve the throughput.
const roomForABatch = <Schema extends z.ZodType>(schema: Schema, key: 'max_rows' | 'max_bytes') =>
  ordered(schema, ['batch', key], ['window', key], {
    path: ['window', key],
    error: `must be at least ingest.batch.${key}`,
  });

export const ingestSchema = roomForABatch(roomForABatch(sections, 'max_rows'), 'max_bytes');
