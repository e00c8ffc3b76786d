import { FieldwatchError } from '../core/errors.ts';
import { suggest } from '../core/suggest.ts';
import type { Db } from '../queries/db.ts';
import { currentKey, sensorFacts, updateSensor } from '../queries/sensors.ts';
import type { Program } from '../app/program.ts';
import type { SensorInfo, SensorInput } from './monitor-types.ts';

/** Longer keys have no typing mistake that a comparison would find in time. */
const COMPARED_CHARACTERS = 64;
const COMPARED_KEYS = 20_000;

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
  const known = key.length > COMPARED_CHARACTERS ? [] : (await sensorFacts(db, {})).slice(0, COMPARED_KEYS);
  const close = suggest(
    key,
    known.map((sensor) => sensor.key),
  );
  throw new FieldwatchError(`no sensor is registered under the key ${JSON.stringify(key)}`, {
    code: 'SENSOR_UNKNOWN',
    kind: 'data',
    remedy:
      close === undefined
        ? 'register it, or record a reading of it'
        : `Did you mean ${JSON.stringify(close)}?`,
  });
}

/** Registers what is not there, and changes what is given of each. */
export async function registerSensors(
  { database: { directory }, registry }: Program,
  db: Db,
  sensors: readonly SensorInput[],
): Promise<readonly SensorInfo[]> {
  const devices = sensors.map(({ sensor, location }) => ({ key: sensor, location: location ?? undefined }));
  const registered = await directory.register(devices);
  const infos: SensorInfo[] = [];
  for (const { sensor, ...change } of sensors) {
    const own = registered.find(({ key, aliases }) => key === sensor || aliases?.includes(sensor) === true);
    const changed = own && (await updateSensor(db, own.key, change));
    if (changed === undefined)
      throw new FieldwatchError(`the database cannot hold a sensor ${JSON.stringify(sensor)}`, {
        code: 'SENSOR_REFUSED',
        kind: 'data',
        remedy: 'a key has 1 to 256 bytes in the encoding of the database, and no control characters',
      });
    const { name, type, location, tags } = changed;
    infos.push({ sensor: changed.sensor, name, type, location, tags });
  }
  await registry.learn(sensors.map(({ sensor }) => sensor));
  return infos;
}
