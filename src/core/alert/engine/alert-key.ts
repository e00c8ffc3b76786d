import type { AlertKey } from '../model.ts';

/** The metric of what is about the sensor itself. */
export const OF_SENSOR = '';

/** Whether alerts of a type are about missing data. No other type ends like this: a metric's name is followed by its kind. */
export const isOfSilence = (alertType: string): boolean =>
  alertType === 'offline' || alertType.endsWith('_no_data');

/** The metric last: it is the only part that may hold any character. */
export const alertKeyText = ({ sensorId, metric, kind, side }: AlertKey): string =>
  `${sensorId}|${kind}|${side}|${metric}`;

const SUFFIX = /^(.*)_(rate_high|rate_low|high|low|anomaly|no_data)$/s;

/** The key of a row without one, as far as its type shows it. */
export function keyOfType(alertType: string): Omit<AlertKey, 'sensorId'> {
  const [, metric = alertType, suffix = 'high'] = SUFFIX.exec(alertType) ?? [];
  const side = suffix === 'anomaly' ? 'both' : suffix.endsWith('low') ? 'low' : 'high';
  const kind =
    suffix === 'anomaly' || suffix === 'no_data' ? suffix : suffix.startsWith('rate') ? 'rate' : 'threshold';
  return { metric, kind, side };
}

type Keyless = { readonly alertType: string } & Partial<AlertKey>;

/** A batch that an older version left in the spool: adds the key to every row. */
export function withKeys<Batch extends OldBatch>(batch: Batch): Batch {
  const keyed = (row: Keyless) => (row.kind === undefined ? { ...keyOfType(row.alertType), ...row } : row);
  const { states, raised, resolved, acked } = batch;
  if (![...states, ...raised, ...resolved, ...(acked ?? [])].some(({ kind }) => kind === undefined))
    return batch;
  return {
    ...batch,
    states: states.map(keyed),
    raised: raised.map(keyed),
    resolved: resolved.map(keyed),
    ...(acked === undefined ? {} : { acked: acked.map(keyed) }),
  };
}

interface OldBatch {
  readonly states: readonly Keyless[];
  readonly raised: readonly Keyless[];
  readonly resolved: readonly Keyless[];
  readonly acked?: readonly Keyless[];
}
