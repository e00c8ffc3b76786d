import { acknowledgeAlert, resolveAlert } from './alert-actions.ts';
import { alert, alerts } from './alerts.ts';
import { analysis } from './analysis.ts';
import { config } from './config.ts';
import { deadLetters, oneDeadLetter, retryDeadLetter } from './dead-letters.ts';
import { decode } from './decode.ts';
import { events } from './events.ts';
import { exportReadings } from './export.ts';
import { forgetSensor } from './forget.ts';
import { retireSensor } from './retire.ts';
import { endLearning, learning, startLearning } from './learn.ts';
import { policies, policyCheck } from './policies.ts';
import { readings } from './readings.ts';
import type { AnyResource } from './resource.ts';
import { routes } from './routes.ts';
import { sensor } from './sensor.ts';
import { sensorFacets, sensors } from './sensors.ts';
import { session } from './session.ts';
import { addSilence, endSilence, silences } from './silences.ts';
import { status } from './status.ts';
import { chunks, storage } from './storage.ts';

/** Every resource of the API. Server, document and the test of who may do what follow from this list. */
export const RESOURCES: readonly AnyResource[] = [
  ...[status, events],
  ...[sensors, sensorFacets, sensor, readings, exportReadings, forgetSensor, retireSensor],
  ...analysis,
  ...[alerts, alert, acknowledgeAlert, resolveAlert],
  ...[silences, addSilence, endSilence],
  ...[policies, policyCheck, storage, chunks],
  ...[deadLetters, oneDeadLetter, retryDeadLetter, decode],
  ...[routes, config, startLearning, learning, endLearning],
  ...session,
];
