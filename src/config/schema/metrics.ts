import * as z from '../../core/schema/zod.ts';
import { section, text, whole } from '../../core/schema/fields.ts';

export const metricsSchema = section(
  {
    allow: z
      .array(text('pattern'))
      .default(['*'])
      .describe(
        'patterns of metric names that payloads may add; * is any text, ? any one character; empty: none',
      ),
    max: whole(
      { min: 0, max: 1_000_000, fallback: 10_000 },
      'metric names in all; values of further names are dropped and counted, the reading is stored without them',
    ),
    max_new_per_sensor: whole(
      { min: 0, max: 100_000, fallback: 1000 },
      'metric names that one sensor may add in a day; values of further names are dropped and counted',
    ),
  },
  'names of metrics beyond temperature, humidity, pressure, battery and rssi',
);
