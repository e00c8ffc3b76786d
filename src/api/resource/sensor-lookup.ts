import { FieldwatchError } from '../../core/errors.ts';
import { suggest } from '../../core/did-you-mean.ts';
import type { IndexedSensor } from '../../queries/sensor-index.ts';
import { sensorIds } from '../../queries/alert-changes.ts';
import { currentKey } from '../../queries/sensors.ts';
import type { ApiDeps } from '../deps.ts';

/** Longer keys have no typing mistake that a comparison would find in time. */
const COMPARED_CHARACTERS = 64;
const COMPARED_KEYS = 20_000;

/** The sensor of a key, also of a former one. Throws for an unknown key, with the one that was probably meant. */
export async function sensorOf(
  key: string,
  { sensors, db }: Pick<ApiDeps, 'sensors' | 'db'>,
): Promise<IndexedSensor> {
  const found = await sensors.find(key);
  if (found !== undefined) return found;
  // A list of some seconds ago does not have those that have come since.
  if ((await sensorIds(db, [key])).length > 0) {
    sensors.expire();
    const added = await sensors.find(key);
    if (added !== undefined) return added;
  }
  const current = await currentKey(db, key);
  const renamed = current === undefined ? undefined : await sensors.find(current);
  if (renamed !== undefined) return renamed;
  const known = (await sensors.all()).slice(0, COMPARED_KEYS).map((sensor) => sensor.key);
  const close = key.length > COMPARED_CHARACTERS ? undefined : suggest(key, known);
  throw new FieldwatchError(`no sensor is registered under the key ${JSON.stringify(key)}`, {
    code: 'SENSOR_UNKNOWN',
    kind: 'data',
    remedy:
      close === undefined ? 'GET /api/v1/sensors lists the keys.' : `Did you mean ${JSON.stringify(close)}?`,
  });
}
