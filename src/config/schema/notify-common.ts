import { z } from 'zod';
import { SEVERITIES } from '../../core/alert/model.ts';
import { isTemplateFault, parseTemplate } from '../../core/notify/template.ts';
import { backoff } from './backoff.ts';
import { duration } from './common.ts';
import { readFilePath, secret, section, text, whole } from './fields.ts';

const NAME = /^[a-z0-9][a-z0-9_-]{0,62}$/;
const LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

const retry = backoff(
  { least: '10ms', mostAtFirst: '10m', first: '1s', every: '2m' },
  'jittered, capped wait after a failure',
);

const group = section(
  {
    over: z.int().min(1).max(1000).default(10).describe('above this number they are sent as one'),
    window: duration({ min: '1s', max: '1h' }).prefault('30s').describe('time over which they are counted'),
  },
  'many notifications of one event and alert type',
);

/** The fields of every sink. `perMinute` is the default rate that its receiver accepts. */
export const commonFields = (perMinute: number) => ({
  name: z
    .string()
    .regex(NAME, 'must be lower-case letters, digits, - and _, such as ops-chat')
    .describe('name of the sink: in the log, the metrics, and its FIELDWATCH_NOTIFY_<NAME>_… variables'),
  min_severity: z.enum(SEVERITIES).default('info').describe('alerts of a lower severity are not sent'),
  alert_types: z
    .array(text('alert type; * is any text, ? any one character'))
    .max(100)
    .default([])
    .describe('only these alert types, such as temperature_high or *_no_data; empty: all'),
  locations: z
    .array(text('location of a sensor'))
    .max(1000)
    .default([])
    .describe('only sensors at these locations; empty: all'),
  timeout: duration({ min: '100ms', max: '5m' }).prefault('10s').describe('wait for an answer'),
  retry: retry.prefault({}),
  retry_for: duration({ min: '1m', max: '7d' })
    .prefault('24h')
    .describe('notifications undelivered for this long are dropped, counted and logged'),
  queue: whole(
    { min: 100, max: 1_000_000, fallback: 100_000 },
    'notifications queued while the sink is down; beyond it the oldest are dropped, counted and logged',
  ),
  max_per_minute: whole({ min: 1, max: 1_000_000, fallback: perMinute }, 'requests to the receiver a minute'),
});

/** For sinks that notify people: they may leave out the end, and send many notifications as one. */
export const notifyFields = {
  send_resolved: z.boolean().default(true).describe('notify when an alert resolves, too'),
  group: group.prefault({}),
};

const template = (description: string) =>
  text(description)
    .max(4000)
    .superRefine((value, context) => {
      const parsed = parseTemplate(value);
      if (isTemplateFault(parsed))
        context.addIssue({ code: 'custom', message: `at character ${parsed.at}: ${parsed.message}` });
    });

export const textFields = {
  title: template(
    'title or subject, with placeholders such as {{sensor}}; absent: the built-in one',
  ).optional(),
  body: template('text, with placeholders such as {{message}}; absent: the built-in one').optional(),
};

export const labels = z
  .record(z.string().regex(LABEL, 'is no label name: letters, digits and _'), text('value'))
  .default({})
  .describe('labels of every alert, such as site: north');

export const tokenFields = {
  token: secret('bearer token; better in token_file or the environment').optional(),
  token_file: readFilePath('file that holds the token; a trailing newline is cut').optional(),
};

export const passwordFields = {
  username: text('user name').optional(),
  password: secret('password; better in password_file or the environment').optional(),
  password_file: readFilePath('file that holds the password; a trailing newline is cut').optional(),
};

/** At most one kind of credentials. */
export function oneCredential(
  value: {
    token?: string | undefined;
    token_file?: string | undefined;
    username?: string | undefined;
    password?: string | undefined;
  },
  context: z.RefinementCtx,
): void {
  if ((value.token ?? value.token_file) !== undefined && value.username !== undefined)
    context.addIssue({
      code: 'custom',
      path: ['username'],
      message: 'stands beside token: give one of the two',
    });
  if (value.password !== undefined && value.username === undefined)
    context.addIssue({ code: 'custom', path: ['password'], message: 'needs username' });
}
