import { operatorOf } from '../access/caller.ts';
import { keyParams } from '../contract/fields.ts';
import { retireSchema, retiredSchema } from '../contract/sensors.ts';
import { resource } from './resource.ts';

export const retireSensor = resource({
  id: 'retireSensor',
  method: 'POST',
  path: '/sensors/:key/retire',
  tag: 'sensors',
  summary: 'End the alerts of a sensor and expect nothing of it any more, or bring it back; its data stays',
  role: 'operator',
  params: keyParams,
  body: retireSchema,
  answer: retiredSchema,
  faults: ['SENSOR_UNKNOWN'],
  async handle({ params, body, by }, { operations, sensors }) {
    const retired = await operations.retire(params.key, { ...body, by: operatorOf(by) });
    sensors.expire();
    return retired;
  },
});
