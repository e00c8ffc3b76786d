import * as z from '../../schema/zod.ts';
import { duration } from '../../schema/common.ts';
import { commonFields } from '../rules/common-fields.ts';
import { rhythmMark } from './rhythm.ts';
import { defineKind } from './rule-kind.ts';
import { ending, show } from './texts.ts';

export const RHYTHM = 'auto';

/** Keys of a scope, not of a metric: they are about the sensor itself. */
export const offlineFields = {
  offline_after: z
    .union([z.literal(RHYTHM), duration({ min: '1s', max: '365d' })])
    .nullable()
    .describe(
      'a sensor that sends no message of any kind for this long is offline: one alert, and none for its metrics; auto: five times its longest usual interval; null: never',
    ),
  offline: z
    .strictObject({
      severity: commonFields.severity,
      repeat_interval: commonFields.repeat_interval,
      runbook: commonFields.runbook,
      labels: commonFields.labels,
    })
    .partial()
    .describe('of the offline alert, where it differs from the defaults'),
};

/** A sensor that is missed as such: the conditions are made of `offline_after`, or of those for missing data (`offlineRule`). */
export const offline = defineKind({
  fields: {},
  suffixes: [],
  measure: 'silence',
  isAbsence: true,
  unit: () => 's',
  // Without any silence it reported itself offline.
  sentences: {
    subject: 'subject_offline',
    crossing({ threshold, isOver }) {
      if (threshold === 0) return isOver ? 'was_offline_reported' : 'offline_reported';
      return isOver ? 'was_offline' : 'offline';
    },
    open: ({ threshold }) => (threshold === 0 ? 'still_offline_reported' : 'still_offline'),
    end: { data_resumed: 'end_offline' },
    group: { now: 'group_offline', over: 'group_was_offline' },
    groupEnd: { message: 'group_resolved_offline', reasons: ['data_resumed'] },
  },
  conditions: () => [],
  evaluate: () => undefined,
  reevaluate: () => undefined,
  storedMark: rhythmMark,
  message(sensorKey, _, effect) {
    const reported = effect.threshold === 0;
    if (effect.transition !== 'resolved' && reported) return `${sensorKey}: reported offline`;
    if (effect.transition !== 'resolved')
      return `${sensorKey}: nothing received for ${show(effect.threshold ?? 0)} s`;
    return `${sensorKey}: ${effect.reason === 'data_resumed' ? (reported ? 'is back online' : 'has sent something') : ending(effect)}`;
  },
});
