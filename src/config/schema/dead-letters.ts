import { bytes } from '../../core/schema/common.ts';
import { section, whole } from '../../core/schema/fields.ts';

const MIB = 1024 ** 2;

export const deadLettersSchema = section(
  {
    max_payload: bytes({ min: 1024, max: 256 * MIB })
      .prefault('64KiB')
      .describe('a larger payload is truncated to this size, with its true length and its SHA-256'),
    max_per_minute: whole(
      { min: 1, max: 10_000_000, fallback: 60_000 },
      'dead letters kept in a minute; beyond it one a second is kept, and the others are counted and acknowledged',
    ),
  },
  'what is kept of messages that cannot be stored as readings',
);
