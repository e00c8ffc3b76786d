import * as z from '../../core/schema/zod.ts';
import { ENCODINGS } from './dead-letters.ts';
import { text, time, unit, value } from './fields.ts';

export const decodeRequestSchema = z
  .strictObject({
    topic: z.string().min(1).max(65_535).describe('topic of the message'),
    payload: z.string().max(1_400_000).describe('the payload, in the encoding'),
    encoding: z.enum(ENCODINGS).default('utf8').describe('utf8: the text itself; base64: bytes'),
    contentType: z.string().max(256).optional().describe('MQTT 5 content type of the message'),
    retain: z.boolean().default(false).describe('true: a retained message'),
    receivedAt: z.iso.datetime({ offset: true }).optional().describe('arrival as ISO 8601; without it: now'),
    route: z
      .record(z.string(), z.unknown())
      .optional()
      .describe('an entry of `routes` to be tried instead of those of the configuration'),
  })
  .meta({ id: 'DecodeRequest', description: 'A message' });
export type DecodeRequest = z.input<typeof decodeRequestSchema>;

export const decodedSchema = z
  .object({
    route: z.string().nullable().describe('name of the route that reads the topic; null: none does'),
    reject: z
      .string()
      .nullable()
      .describe('why there is no reading: the reject code; null: there are readings'),
    readings: z
      .array(
        z.object({
          device: text('key of the device'),
          time: time('time of the reading'),
          metrics: z
            .array(z.object({ metric: text('name of the metric'), value: value('the value'), unit }))
            .describe('its values'),
        }),
      )
      .describe('what would be stored'),
    dropped: z.array(z.string()).describe('values that are dropped, a few of them'),
    ambiguous: z.array(z.string()).describe('metrics that have several values, a few of them'),
    hint: z.string().nullable().describe('what looks wrong although it is decoded; null: nothing'),
  })
  .meta({ id: 'Decoded', description: 'What the configuration makes of a message; nothing is stored' });
export type DecodedMessage = z.output<typeof decodedSchema>;
