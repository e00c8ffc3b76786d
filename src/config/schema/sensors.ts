import * as z from '../../core/schema/zod.ts';
import { section, text, whole } from '../../core/schema/fields.ts';

const MAX_KEY_BYTES = 256;

// The bound of a decoded device key (contract D8 of the payload formats): a key that no message can carry is refused in declarations, too.
const sensorKey = z
  .string()
  .min(1)
  .refine((key) => !/\p{Cc}/u.test(key) && new TextEncoder().encode(key).length <= MAX_KEY_BYTES, {
    error: `a sensor key has at most ${MAX_KEY_BYTES} bytes and no control characters`,
  });

const declared = section(
  {
    name: text('name for people').max(200).optional(),
    type: text('kind of sensor: alert overrides select by it').max(100).optional(),
    location: text('place: alert overrides select by it').max(200).optional(),
    tags: z
      .array(text('tag').max(100))
      .max(100)
      .default([])
      .describe('free words: alert overrides select by them'),
    gateway: sensorKey.optional().describe('key of the sensor that it sends through'),
  },
  'metadata of a declared sensor',
);

export const sensorsSchema = section(
  {
    registration: z
      .enum(['auto', 'reject'])
      .default('auto')
      .describe('an unknown sensor: auto registers it; reject keeps its messages as dead letters'),
    allow: z
      .array(text('pattern'))
      .default(['*'])
      .describe(
        'patterns of keys that may register themselves; * is any text, ? any one character; empty: none may',
      ),
    max_new_per_minute: whole(
      { min: 0, max: 1_000_000, fallback: 1000 },
      'self-registrations per minute; beyond it messages of unknown sensors become dead letters',
    ),
    max: whole(
      { min: 1, max: 10_000_000, fallback: 100_000 },
      'sensors in all, declared ones included; beyond it messages of unknown sensors become dead letters',
    ),
    declare: z
      .record(sensorKey, declared)
      .default({})
      .describe('known sensors by key; they are registered at start'),
  },
  'who may send',
);
