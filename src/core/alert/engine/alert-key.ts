import type { AlertKey, Side } from '../model.ts';

const OFFLINE_TYPE = 'offline';

/** The metric of what is about the sensor itself. */
export const OF_SENSOR = '';

/** The metric last: it is the only part that may hold any character. */
export const alertKeyText = ({ sensorId, metric, kind, side }: AlertKey): string =>
  `${sensorId}|${kind}|${side}|${metric}`;

const SUFFIX = /^(.*?)_(rate_high|rate_low|high|low|anomaly|no_data)$/s;

/** The key of a row of a version whose rows had none, as far as its type shows it: by the kinds of that time. */
export function keyOfType(alertType: string): Omit<AlertKey, 'sensorId'> {
  const [, metric = alertType, suffix = 'high'] = SUFFIX.exec(alertType) ?? [];
  const side = suffix === 'anomaly' ? 'both' : suffix.endsWith('low') ? 'low' : 'high';
  const kind =
    suffix === 'anomaly' || suffix === 'no_data' ? suffix : suffix.startsWith('rate') ? 'rate' : 'threshold';
  return { metric, kind, side };
}

/** The metric, kind and side of a row; of one without a key as far as its type shows them. */
export function identityOf({
  alertType,
  metric,
  kind,
  side,
}: {
  readonly alertType: string;
  readonly metric?: string | null | undefined;
  readonly kind?: string | null | undefined;
  readonly side?: Side | null | undefined;
}): Omit<AlertKey, 'sensorId'> {
  if (alertType === OFFLINE_TYPE && (kind ?? OFFLINE_TYPE) === OFFLINE_TYPE)
    return { metric: OF_SENSOR, kind: OFFLINE_TYPE, side: 'high' };
  const read = keyOfType(alertType);
  return { metric: metric ?? read.metric, kind: kind ?? read.kind, side: side ?? read.side };
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
