import { bytes, duration } from '../../core/schema/common.ts';
import { flag, section } from '../../core/schema/fields.ts';

const MIB = 1024 ** 2;

export const spoolSchema = section(
  {
    enabled: flag(true, 'keep batches on disk while the database is away, below state_dir'),
    after: duration({ min: '100ms', max: '1h' })
      .prefault('5s')
      .describe('how long the database may be away before batches go to the spool'),
    max_bytes: bytes({ min: MIB, max: 1024 ** 2 * MIB })
      .prefault('1GiB')
      .describe('bound of the spool; at the limit messages are held unacknowledged again'),
    max_age: duration({ min: '1m' })
      .prefault('30 days')
      .describe('age of the oldest record at which the spool takes no more; nothing is dropped'),
  },
  'store and forward on disk, for a database that is away',
);
