import { bytes, duration } from './common.ts';
import { section, whole } from './fields.ts';

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
      .prefault('20ms')
      .describe('longest wait of a first row for company; no effect under load'),
  },
  'when a batch is written: whichever limit is reached first',
);

const window = section(
  {
    max_rows: whole({ min: 1, max: 10_000_000, fallback: 100_000 }, 'rows received and not yet safe'),
    max_bytes: bytes({ min: 1024, max: 4096 * MIB })
      .prefault('64MiB')
      .describe('payload bytes received and not yet safe'),
  },
  'bound of memory: at the limit, reading from the broker pauses while pings go on',
);

const retry = section(
  {
    min: duration({ min: '1ms', max: '1m' }).prefault('100ms').describe('first wait'),
    max: duration({ min: '1ms', max: '1h' }).prefault('30s').describe('cap of the wait, which doubles'),
  },
  'jittered wait before a batch is tried again after a transient error',
).superRefine((value, context) => {
  if (value.min > value.max)
    context.addIssue({ code: 'custom', path: ['min'], message: 'must not be longer than max' });
});

export const ingestSchema = section(
  { batch: batch.prefault({}), window: window.prefault({}), retry: retry.prefault({}) },
  'from message to committed row',
).superRefine((value, context) => {
  // A batch that can never fill within the window would wait for `linger` each time and halve the throughput.
  for (const key of ['max_rows', 'max_bytes'] as const)
    if (value.window[key] < value.batch[key])
      context.addIssue({
        code: 'custom',
        path: ['window', key],
        message: `must be at least ingest.batch.${key}`,
      });
});
