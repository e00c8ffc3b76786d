import * as z from '../../core/schema/zod.ts';
import { count, seconds, text, time, uuid } from './fields.ts';

export const MAX_LEARN_S = 3600;

/** Without control characters, at which brokers close the connection (MQTT 5.0, 1.5.4 and 4.7). */
const LEVEL = '(?:\\+|[^#+/\\u0000-\\u001f\\u007f-\\u009f]*)';
const TOPIC_FILTER = new RegExp(`^(?:#|${LEVEL}(?:/${LEVEL})*(?:/#)?)$`);

export const learnRequestSchema = z
  .strictObject({
    seconds: z.number().min(1).max(MAX_LEARN_S).default(120).describe('how long to listen; seconds'),
    filters: z
      .array(z.string().min(1).max(1024).regex(TOPIC_FILTER, 'is no topic filter'))
      .min(1)
      .max(50)
      .default(['#'])
      .describe('topic filters to listen to'),
    alerts: z.boolean().default(true).describe('true: propose alert rules, too'),
  })
  .meta({ id: 'LearnRequest', description: 'How long to listen, and to what' });
export type LearnRequest = z.input<typeof learnRequestSchema>;

export const LEARN_STATES = ['listening', 'done', 'failed'] as const;

export const learningSchema = z
  .object({
    id: uuid('names this run'),
    state: z.enum(LEARN_STATES).describe('listening until endsAt'),
    startedAt: time('its start'),
    endsAt: time('its end'),
    remainingS: seconds('until its end; 0: it is over'),
    messages: count('messages received so far'),
    topics: count('topics among them'),
    routes: z
      .array(
        z.object({
          name: text('ecosystem or topic pattern'),
          messages: count('messages that it reads'),
          devices: count('devices'),
          metrics: z.array(z.string()).describe('metrics'),
          hints: z.array(z.string()).describe('what should be looked at'),
        }),
      )
      .describe('what was recognised; empty while listening'),
    notPlaced: z
      .array(
        z.object({
          reason: text('why'),
          messages: count('messages'),
          examples: z.array(z.string()).describe('topics, a few of them'),
        }),
      )
      .describe('messages that no proposed route reads'),
    yaml: z
      .string()
      .nullable()
      .describe('the proposed configuration; null while listening, or where nothing was received'),
    detail: z.string().nullable().describe('why it failed; null: it did not'),
  })
  .meta({ id: 'Learning', description: 'A run of learn' });
export type Learning = z.output<typeof learningSchema>;

export const learnParams = z.strictObject({ id: z.uuid().describe('id of the run') });
