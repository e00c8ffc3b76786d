import * as z from '../../core/schema/zod.ts';
import { section, text, whole } from '../../core/schema/fields.ts';

/** As the presets name them. */
const COUNTERS = [
  ...['energy', 'energy_total', 'energy_today', '*_energy', '*_energy_total', 'consumption', '*_kwh', '*_wh'],
  ...[
    'aenergy_total',
    'ret_aenergy_total',
    '*_aenergy_total',
    'rain_mm',
    'rain_total',
    'water_total',
    'gas_total',
    'pulses',
  ],
] as const;

export const metricsSchema = section(
  {
    allow: z
      .array(text('pattern'))
      .default(['*'])
      .describe(
        'patterns of metric names that payloads may add; * is any text, ? any one character; empty: none',
      ),
    counters: z
      .array(text('pattern'))
      .default([...COUNTERS])
      .describe(
        'patterns of metrics that only rise until they start again, such as energy: `readings use` gives their use',
      ),
    wraps_at: z
      .record(z.string(), z.number().positive())
      .default({})
      .describe('counters that overflow, by pattern: one more than their highest value, such as 65536'),
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
