import type { AlertKey } from '../../../core/alert/model.ts';

import { storableText } from '../values.ts';

/** For `columns`: sensor_id, metric, kind, side. */
export const KEY_COLUMNS = [
  ({ sensorId }: AlertKey) => sensorId,
  ({ metric }: AlertKey) => storableText(metric),
  ({ kind }: AlertKey) => kind,
  ({ side }: AlertKey) => side,
] as const;
