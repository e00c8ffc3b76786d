import * as z from '../../core/schema/zod.ts';
import { EPISODE_STEPS } from '../../core/alert/state/transitions.ts';
import { SEVERITIES } from '../../core/alert/model.ts';
import {
  flag,
  moment,
  page,
  pageQuery,
  seconds,
  sensorKey,
  several,
  severity,
  text,
  time,
  uuid,
  value,
} from './fields.ts';
import { by, commentSchema } from './session.ts';

export const ALERT_STATES = ['pending', 'firing', 'recovering', 'latched', 'flapping', 'resolved'] as const;
export type AlertState = (typeof ALERT_STATES)[number];

/** One episode: from the first breach until it is resolved, whatever severities it went through. */
export const alertSchema = z
  .object({
    alertId: uuid('the episode')
      .nullable()
      .describe('the episode; null: it is pending, or another program inserted the row'),
    system: z.boolean().describe('true: about the database or the daemon; `sensor` is then the subject'),
    sensor: sensorKey,
    name: z.string().nullable().describe('name of the sensor for people; null: none was given'),
    location: z.string().nullable().describe('place of the sensor; null: not known'),
    type: z.string().nullable().describe('kind of the sensor; null: not known'),
    alertType: text('type of the alert, such as temperature_high'),
    metric: z
      .string()
      .nullable()
      .describe('metric that it is about; null: the sensor or the system as a whole'),
    unit: z.string().nullable().describe('unit of value, threshold and peakValue: °C, °C/min, s; null: none'),
    severity: severity.describe(
      'info, warning or critical: of an open one the present severity, of an ended one the most urgent that it reached',
    ),
    state: z.enum(ALERT_STATES).describe('pending: crossed, but not long enough to fire'),
    message: z.string().nullable().describe('the alert as a sentence; null: the row has none'),
    value: value('value at which it fired').nullable(),
    threshold: value('the limit of that severity').nullable(),
    peakValue: value(
      'the highest value since it fired, or the lowest: the one furthest beyond the limit',
    ).nullable(),
    extreme: z.enum(['highest', 'lowest']).describe('which of the two peakValue is'),
    absence: z
      .boolean()
      .describe('true: about missing data, so value and threshold are the seconds without any'),
    time: time('when it fired or rose to its severity; of a pending one when the breach began'),
    startedAt: time('the first breaching reading').nullable(),
    resolvedAt: time('when it resolved').nullable().describe('when it resolved; null while it is open'),
    resolvedValue: value('value at which it resolved').nullable(),
    resolveReason: z
      .string()
      .nullable()
      .describe(
        'value, data_resumed, rule_changed, rule_removed, flapping_end, manual or retired; null while it is open',
      ),
    durationS: seconds('from the first breach until it resolved, or until now'),
    ackedAt: time('when it was acknowledged').nullable(),
    ackedBy: z.string().nullable().describe('who acknowledged it; null: not acknowledged'),
    ackedUntil: time('when the acknowledgement ends')
      .nullable()
      .describe('when the acknowledgement ends; null: with the alert'),
    suppressed: z
      .string()
      .nullable()
      .describe('why it was not notified when it fired: silence, maintenance or inhibition; null: it was'),
    deferredBy: z.string().nullable().describe('why it is not notified now; null: it is'),
    backfilled: z.boolean().describe('true: it was over before its readings arrived'),
  })
  .meta({ id: 'Alert', description: 'An alert: one episode of one sensor and type' });
export type Alert = z.output<typeof alertSchema>;

export const alertListSchema = page(alertSchema, 'alerts, the newest first').meta({
  id: 'AlertList',
  description: 'A page of alerts',
});
export type AlertList = z.output<typeof alertListSchema>;

export const alertsQuery = z.strictObject({
  state: z
    .enum(['open', 'pending', 'resolved', 'all'])
    .default('open')
    .describe('open: firing now, whenever it began; pending: not firing yet; resolved and all: of the range'),
  from: moment('start of the range, of resolved and all').default('7d'),
  to: moment('end of the range, not included; without it: now').optional(),
  sensor: several(z.string().max(1024), 100, 'only of the sensor with this key; may be given several times'),
  location: z.string().max(1024).optional().describe('only of sensors of this location'),
  type: z.string().max(1024).optional().describe('only of sensors of this type'),
  alertType: z.string().max(1024).optional().describe('only of this type, such as temperature_high'),
  severity: several(z.enum(SEVERITIES), 3, 'only of this severity; may be given several times'),
  acked: flag('true: only acknowledged ones; false: only others'),
  ...pageQuery,
});
export type AlertsQuery = z.input<typeof alertsQuery>;

export const alertParams = z.strictObject({ alertId: z.uuid().describe('the episode') });

export const transitionSchema = z
  .object({
    at: time('when'),
    event: z.enum(EPISODE_STEPS).describe('what happened; started: the first breaching reading'),
    severity: severity.nullable().describe('the severity from then on; null: unchanged'),
    value: value('the value at that time').nullable(),
    message: z.string().nullable().describe('the notification as a sentence; null: there was none'),
    by: z.string().nullable().describe('who did it; null: the daemon'),
    comment: z.string().nullable().describe('why they did it; null: nothing was said'),
    until: time('when the acknowledgement ends')
      .nullable()
      .describe(
        'when the acknowledgement ends; null: it ends with the alert, or the step is no acknowledgement',
      ),
  })
  .meta({ id: 'Transition', description: 'A step in the course of an alert' });
export type Transition = z.output<typeof transitionSchema>;

export const deliverySchema = z
  .object({
    sink: text('name of the sink'),
    event: text('what was notified: firing, escalated, resolved'),
    queuedAt: time('when it was queued'),
    doneAt: time('when it was sent or given up').nullable(),
    outcome: z
      .string()
      .nullable()
      .describe('sent, collapsed, refused, dropped, expired or cancelled; null: it waits'),
    origin: z
      .string()
      .nullable()
      .describe('mute, escalation or reminder: made later than the event itself; null: with it'),
    heldUntil: time('when it is decided whether it is sent')
      .nullable()
      .describe('when it is decided whether it is sent; null: it is not held'),
    route: z
      .string()
      .nullable()
      .describe('its route, by its place in the configuration of that time; null: it was not recorded'),
  })
  .meta({ id: 'Delivery', description: 'A notification of an alert to a sink' });
export type Delivery = z.output<typeof deliverySchema>;

export const alertDetailSchema = alertSchema
  .extend({
    transitions: z.array(transitionSchema).describe('its course, in order'),
    deliveries: z.array(deliverySchema).describe('its notifications, in order'),
    silences: z
      .array(
        z.object({
          id: text('number of the silence'),
          endsAt: time('its end'),
          by: text('who added it'),
          comment: text('why'),
        }),
      )
      .describe('silences that match it now'),
    curve: z
      .object({
        metric: text('metric to be drawn'),
        from: time('start of the range that shows the whole course'),
        to: time('its end'),
      })
      .nullable()
      .describe('what to ask of sensors/{key}/readings to see it; null: there is no curve'),
  })
  .meta({ id: 'AlertDetail', description: 'One alert and its course' });
export type AlertDetail = z.output<typeof alertDetailSchema>;

export const alertActionSchema = z.strictObject({ comment: commentSchema });
export type AlertAction = z.input<typeof alertActionSchema>;

export const ackActionSchema = alertActionSchema.extend({
  forS: z
    .number()
    .positive()
    .max(31_536_000)
    .optional()
    .describe('how long it counts as acknowledged, in seconds; without it: as long as it is open'),
});
export type AckAction = z.input<typeof ackActionSchema>;

export const OUTCOMES = ['done', 'already', 'not_open', 'queued'] as const;

export const alertOutcomeSchema = z
  .object({
    alertId: uuid('the episode'),
    sensor: sensorKey,
    alertType: text('type of the alert'),
    outcome: z
      .enum(OUTCOMES)
      .describe(
        'already: it was acknowledged before; not_open: it ended meanwhile; queued: no daemon has executed it yet',
      ),
    by,
  })
  .meta({ id: 'AlertOutcome', description: 'What an acknowledgement or a resolve led to' });
export type AlertOutcome = z.output<typeof alertOutcomeSchema>;
