import { FieldwatchError } from '../core/errors.ts';
import { readDevice } from '../core/ingest/mapping/device.ts';
import type { Db } from '../queries/db.ts';
import { unknownSensor } from '../queries/names.ts';
import { currentKey, sensorFacts, updateSensor } from '../queries/sensors.ts';
import type { Program } from '../app/program.ts';
import type { SensorInfo, SensorInput } from './monitor-types.ts';

/** The id and the key of a sensor, by its present key or a former one. Throws SENSOR_UNKNOWN with the one that was probably meant. */
export async function sensorNamed(
  db: Db,
  key: string,
): Promise<{ readonly id: number; readonly key: string }> {
  const [found] = await sensorFacts(db, { sensor: key });
  if (found !== undefined) return found;
  const current = await currentKey(db, key);
  const [renamed] = current === undefined ? [] : await sensorFacts(db, { sensor: current });
  if (renamed !== undefined) return renamed;
  throw await unknownSensor(db, key, 'register it, or record a reading of it');
}

/** Registers what is not there, and changes what is given of each. */
export async function registerSensors(
  { database: { directory }, registry }: Program,
  db: Db,
  sensors: readonly SensorInput[],
): Promise<readonly SensorInfo[]> {
  // The registry would write another key in place of one that cannot be stored.
  for (const { sensor } of sensors)
    if (typeof sensor !== 'string' || typeof readDevice(sensor) !== 'string') throw refusedKey(sensor);
  const devices = sensors.map(({ sensor, location }) => ({ key: sensor, location: location ?? undefined }));
  const registered = await directory.register(devices);
  const infos: SensorInfo[] = [];
  for (const { sensor, ...change } of sensors) {
    const own = registered.find(({ key, aliases }) => key === sensor || aliases?.includes(sensor) === true);
    const changed = own && (await updateSensor(db, own.key, change));
    if (changed === undefined) throw refusedKey(sensor);
    const { name, type, location, tags } = changed;
    infos.push({ sensor: changed.sensor, name, type, location, tags });
  }
  await registry.learn(sensors.map(({ sensor }) => sensor));
  return infos;
}

const refusedKey = (sensor: unknown) =>
  new FieldwatchError(
    `the database cannot hold a sensor ${typeof sensor === 'string' ? JSON.stringify(sensor) : typeof sensor}`,
    {
      code: 'SENSOR_REFUSED',
      kind: 'data',
      remedy: 'a key is text of 1 to 256 bytes in the encoding of the database, without control characters',
    },
  );
