import * as z from '../../core/schema/zod.ts';
import { alertSchema } from './alerts.ts';
import { sensorKey, text, time } from './fields.ts';
import { findingSchema } from './policies.ts';
import { SENSOR_STATES, latestSchema } from './sensors.ts';
import { intakeSchema } from './status.ts';

/** Data of the stream of events, by the name of the event. */
export const eventSchemas = {
  hello: z
    .object({
      version: text('version of fieldwatch'),
      build: text('changes with the files of the page'),
      startedAt: time('start of the daemon: another one after a restart'),
      now: time('time of this event'),
    })
    .meta({ id: 'HelloEvent', description: 'The first event of a connection' }),
  reset: z.object({ now: time('time of this event') }).meta({
    id: 'ResetEvent',
    description: 'Events since Last-Event-ID are no longer known: read everything again',
  }),
  alert: z
    .object({
      event: z
        .enum([
          'pending',
          'firing',
          'escalated',
          'deescalated',
          'resolved',
          'reminder',
          'flapping_start',
          'flapping_end',
          'acked',
          'cleared',
        ])
        .describe('what happened; cleared: a pending breach ended before it fired'),
      alert: alertSchema,
    })
    .meta({ id: 'AlertEvent', description: 'A transition of an alert' }),
  sensor: z
    .object({
      key: sensorKey,
      state: z.enum(SENSOR_STATES).nullable().describe('its state; null: unchanged'),
      lastSeen: time('its newest reading').nullable(),
      latest: z.array(latestSchema).describe('values of that reading'),
    })
    .meta({ id: 'SensorEvent', description: 'A reading of a sensor, or a change of its state' }),
  finding: z
    .object({
      event: z.enum(['raised', 'cleared']).describe('what happened'),
      finding: findingSchema,
    })
    .meta({ id: 'FindingEvent', description: 'A policy finding that appeared or is gone' }),
  intake: intakeSchema,
} as const;

export type EventName = keyof typeof eventSchemas;
export type EventData<Name extends EventName> = z.output<(typeof eventSchemas)[Name]>;
