import { alert, alerts } from './alerts.ts';
import { config } from './config.ts';
import { deadLetters, oneDeadLetter } from './dead-letters.ts';
import { decode } from './decode.ts';
import { events } from './events.ts';
import { policies, policyCheck } from './policies.ts';
import { readings } from './readings.ts';
import type { AnyResource } from './resource.ts';
import { routes } from './routes.ts';
import { sensor } from './sensor.ts';
import { sensorFacets, sensors } from './sensors.ts';
import { session } from './session.ts';
import { silences } from './silences.ts';
import { status } from './status.ts';
import { chunks, storage } from './storage.ts';

/** Every resource of the API. Server, document and the test of who may do what follow from this list. */
export const RESOURCES: readonly AnyResource[] = [
  ...[status, events],
  ...[sensors, sensorFacets, sensor, readings],
  ...[alerts, alert, silences],
  ...[policies, policyCheck, storage, chunks],
  ...[deadLetters, oneDeadLetter, decode],
  ...[routes, config],
  ...session,
];
