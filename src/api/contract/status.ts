import * as z from '../../core/schema/zod.ts';
import { byteSize, count, seconds, severity, text, time } from './fields.ts';
import { accessSchema } from './session.ts';

export const HEALTH_STATES = ['ok', 'degraded', 'fail'] as const;

/** One reason why not all is well. */
export const reasonSchema = z
  .object({
    severity,
    text: text('the reason as a sentence'),
    link: z
      .string()
      .nullable()
      .describe('where the page shows more, relative to its root: alerts?state=open; null: nowhere'),
  })
  .meta({ id: 'Reason', description: 'Why not all is well' });
export type Reason = z.output<typeof reasonSchema>;

export const verdictSchema = z
  .object({
    ok: z.boolean().describe('true: nothing needs attention'),
    severity: severity.nullable().describe('the most urgent of the reasons; null: there is none'),
    sentence: text('whether all is well, and if not why, in one sentence'),
    reasons: z.array(reasonSchema).describe('every reason, the most urgent first'),
  })
  .meta({ id: 'Verdict', description: 'Whether all is well' });
export type StatusVerdict = z.output<typeof verdictSchema>;

export const intakeSchema = z
  .object({
    perSecond: z.number().min(0).describe('items received per second, over the last seconds'),
    received: count('items received since the start: readings, and messages without one'),
    stored: count('readings stored'),
    duplicate: count('readings that were stored before'),
    lateMerged: count('readings that added values to a stored one'),
    conflict: count('readings whose values contradict a stored one; they are dead letters'),
    deadLettered: count('messages that gave no reading and are kept as dead letters'),
    filtered: count('messages that were dropped on purpose, or fit no route'),
    inFlight: count('items that are received and not stored yet'),
  })
  .meta({
    id: 'Intake',
    description: 'What arrives, and what becomes of it; counted since the start of the daemon',
  });
export type Intake = z.output<typeof intakeSchema>;

const databaseSchema = z.object({
  connected: z.boolean().describe('false: the database does not accept writes now'),
  since: time('since when it does not').nullable(),
  code: z.string().nullable().describe('code of the fault; null while connected'),
  detail: z.string().nullable().describe('the fault; null while connected'),
  host: text('host and port'),
  embedded: z.boolean().describe('true: the embedded database'),
});

export const BROKER_STATES = ['connecting', 'connected', 'subscribed', 'disconnected'] as const;

const brokerSchema = z.object({
  state: z.enum(BROKER_STATES).describe('messages arrive only while subscribed'),
  detail: z.string().nullable().describe('why it is disconnected; null: it is not'),
  refusedFilters: count('topic filters that the broker refuses'),
  host: text('host and port'),
  embedded: z.boolean().describe('true: the embedded broker'),
});

const spoolSchema = z.object({
  items: count('items that wait on disk for the database'),
  sizeBytes: byteSize('what they take on disk'),
  limitBytes: byteSize('what they may take'),
  parked: count('batches set aside, which are tried again at the next start'),
  detail: z.string().nullable().describe('what is wrong with the spool; null: nothing'),
});

/** Figures of the overview. */
const KEPT = {
  rawS: seconds('how long readings are kept').nullable(),
  hourlyS: seconds('how long hourly figures are kept').nullable(),
  dailyS: seconds('how long daily figures are kept').nullable(),
};

export const statusSchema = z
  .object({
    version: text('version of fieldwatch'),
    startedAt: time('start of the daemon'),
    now: time('time of this answer, by the clock of the daemon'),
    clientId: text('client id at the broker: the name of this daemon'),
    embedded: z.boolean().describe('true: database and broker are embedded, as in the demo'),
    verdict: verdictSchema,
    health: z
      .object({
        status: z.enum(HEALTH_STATES).describe('fail: messages are not accepted now'),
        checks: z
          .array(
            z.object({
              name: text('what was looked at: mqtt, database, spool, routes, policies, notify'),
              status: z.enum(HEALTH_STATES).describe('how it is'),
              detail: z.string().nullable().describe('why; null while ok'),
            }),
          )
          .describe('the parts of /readyz'),
      })
      .describe('as /readyz has it'),
    intake: intakeSchema,
    database: databaseSchema.describe('the database'),
    broker: brokerSchema.describe('the broker'),
    spool: spoolSchema.nullable().describe('what waits on disk; null: no spool is configured'),
    alerts: z
      .object({
        critical: count('open alerts of severity critical'),
        warning: count('open alerts of severity warning'),
        info: count('open alerts of severity info'),
        unacknowledged: count('open alerts that are not acknowledged'),
        silenced: count('open alerts that are not notified now'),
        pending: count('breaches that have not lasted long enough to fire'),
      })
      .nullable()
      .describe('alerts by now; null: the database does not answer'),
    sensors: z
      .object({
        total: count('registered sensors, without retired ones'),
        alert: count('sensors with an open alert other than silence'),
        silent: count('sensors that stopped sending'),
        never: count('sensors that never sent a reading'),
      })
      .nullable()
      .describe('sensors by state; null: the database does not answer'),
    policies: z
      .object({
        errors: count('critical findings'),
        warnings: count('findings of severity warning'),
        checkedAt: time('last verification by this daemon')
          .nullable()
          .describe('last verification by this daemon; null: none, or another daemon does it'),
      })
      .nullable()
      .describe('compression, retention and aggregates; null: they are not verified here'),
    deadLetters: z
      .object({ lastDay: count('dead letters of the last 24 hours, 10,000 at most') })
      .nullable()
      .describe('messages that gave no reading; null: the database does not answer'),
    notifications: z
      .array(
        z.object({
          sink: text('name of the sink'),
          kind: text('kind of the sink'),
          detail: text('what is wrong with it')
            .nullable()
            .describe('what is wrong with it; null: it accepts notifications'),
        }),
      )
      .describe('every sink that is configured'),
    retention: z
      .object({
        ...KEPT,
        further: z.object(KEPT).describe('of metrics without a column of their own'),
      })
      .describe('how far back values reach; null: for ever'),
    access: accessSchema,
  })
  .meta({ id: 'Status', description: 'The state of the daemon' });
export type Status = z.output<typeof statusSchema>;
