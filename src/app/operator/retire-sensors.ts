import { databaseError } from '../../adapters/timescale/errors.ts';
import {
  type RetiredSensor,
  type Retirement,
  previewRetirement,
  retireSensors,
} from '../../adapters/timescale/ingest/sensor-retirement.ts';
import { unknownSensor } from '../../queries/names.ts';
import { type SensorChangeDeps, connect } from './change-sensors.ts';

export type RetirementRequest = Omit<Retirement, 'by'>;

/** Does it in the name of `by`; without a name it only says what would be done. Throws SENSOR_UNKNOWN, and changes nothing then. */
export async function changeRetirement(
  request: RetirementRequest,
  by: string | undefined,
  deps: Pick<SensorChangeDeps, 'config' | 'url' | 'purpose'>,
): Promise<readonly RetiredSensor[]> {
  const { pool, client } = await connect(deps);
  try {
    const found = await previewRetirement(client, { ...request, by: '' });
    const known = new Set(found.map(({ key }) => key));
    const unknown = request.keys.find((key) => !known.has(key));
    if (unknown !== undefined) throw await unknownSensor(client, unknown);
    return by === undefined ? found : await retireSensors(client, { ...request, by });
  } catch (error) {
    throw databaseError(error, 'retiring sensors');
  } finally {
    client.release();
    await pool.end();
  }
}
