import { operatorOf } from '../access/caller.ts';
import { keyParams } from '../contract/fields.ts';
import { forgetSchema, forgottenSchema } from '../contract/sensors.ts';
import { resource } from './resource.ts';

export const forgetSensor = resource({
  id: 'forgetSensor',
  method: 'POST',
  path: '/sensors/:key/forget',
  tag: 'sensors',
  summary: 'Delete a sensor with all its readings and alerts, or only count them',
  role: 'operator',
  params: keyParams,
  body: forgetSchema,
  answer: forgottenSchema,
  faults: ['SENSOR_UNKNOWN', 'SENSOR_DECLARED'],
  async handle({ params, body, by }, { operations, sensors }) {
    const forgotten = await operations.forget(params.key, { by: operatorOf(by), dryRun: body.dryRun });
    if (forgotten.done) sensors.expire();
    return forgotten;
  },
});
