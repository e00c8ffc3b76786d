/**
 * Readings of the sensors: a pure function of sensor and index, so that the fault-free outcome can be computed. Each sensor
 * sends in the order of its own times, one message at a time.
 */
export const SENSORS = 24;
/** The first of them breach their limit and come back, on schedule; the others stay quiet. */
export const BREACHING = 8;

/** The rules of the daemon and of the reference. Decided by event time alone: no fault may change what they say. */
export const ALERTS = {
  metrics: {
    temperature: {
      max: 30,
      hysteresis: 2,
      for: '1s',
      keep_firing_for: '500ms',
      levels: [{ severity: 'critical', max: 45 }],
    },
  },
};

export interface Message {
  readonly sensor: number;
  readonly index: number;
  /** Unique in the run; stored as the metric `seq`. */
  readonly id: number;
  readonly timeMs: number;
  readonly temperature: number;
}

export const keyOf = (sensor: number): string => `chaos-${String(sensor).padStart(2, '0')}`;
export const topicOf = (sensor: number): string => `sensors/lab/${keyOf(sensor)}/readings`;
export const sensorOfId = (id: number): number => id % SENSORS;
export const indexOfId = (id: number): number => Math.floor(id / SENSORS);

/** Time between two messages of one sensor. */
export const intervalMs = (rate: number): number => (SENSORS * 1000) / rate;

export function messageOf(sensor: number, index: number, run: { baseMs: number; rate: number }): Message {
  const offsetMs = Math.round((index + sensor / SENSORS) * intervalMs(run.rate));
  return {
    sensor,
    index,
    id: index * SENSORS + sensor,
    timeMs: run.baseMs + offsetMs,
    temperature: temperatureOf(sensor, index, offsetMs),
  };
}

export const payloadOf = ({ timeMs, temperature, id }: Message): string =>
  JSON.stringify({ ts: timeMs, temperature, seq: id });

/** Exact in a double and in JSON: quarters. */
function temperatureOf(sensor: number, index: number, offsetMs: number): number {
  const calm = 20 + (index % 8) / 4;
  if (sensor >= BREACHING) return calm;
  const periodMs = 8000 + sensor * 1300;
  const phase = (offsetMs % periodMs) / periodMs;
  // A spike that is shorter than the rule's `for`: must not fire.
  if (phase < 0.05) return 32 + (index % 4) / 4;
  if (phase < 0.4 || phase >= 0.8) return calm;
  // Every second episode climbs to the critical level; inside the hysteresis at its end.
  if (phase >= 0.7) return 29;
  const high = Math.floor(offsetMs / periodMs) % 2 === 1 && phase >= 0.55;
  return (high ? 50 : 35) + (index % 8) / 4;
}
