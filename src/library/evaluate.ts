import { type ScenarioEvent, runScenario } from '../core/alert/analysis/scenario.ts';
import { countKey } from '../core/alert/rules/config.ts';
import { RuleSet } from '../core/alert/rules/rule-set.ts';
import { alertId } from '../services/alert/alert-id.ts';
import { checkArgument } from './arguments.ts';
import type { EvaluateOptions, EvaluatedAlert, EvaluatedReading } from './pure-types.ts';
import type { AlertRules } from './rules.ts';
import { alertsOf } from './settings.ts';
import { timeOf } from './time.ts';

/**
 * The alerts that readings raise under these rules: the alert engine of the daemon, in memory. Pure. Readings are given in the
 * order of their arrival.
 *
 * @throws FieldwatchError RULES_INVALID with every fault, TIME_INVALID
 *
 * @example
 * ```ts
 * import { evaluate } from 'fieldwatch';
 *
 * const alerts = evaluate({ metrics: { temperature: { max: 30, hysteresis: 1 } } }, [
 *   { sensor: 'a', time: '2026-01-01T00:00:00Z', metrics: { temperature: 31 } },
 *   { sensor: 'a', time: '2026-01-01T00:01:00Z', metrics: { temperature: 29.5 } },
 *   { sensor: 'a', time: '2026-01-01T00:02:00Z', metrics: { temperature: 28 } },
 * ]);
 * console.log(alerts.length, alerts[0]?.alertType); // 1 temperature_high
 * console.log(alerts[0]?.resolvedAt?.toISOString()); // 2026-01-01T00:02:00.000Z
 * ```
 */
export function evaluate(
  rules: AlertRules,
  readings: Iterable<EvaluatedReading>,
  options: EvaluateOptions = {},
): readonly EvaluatedAlert[] {
  checkArgument('evaluate', 'rules', rules, 'rules');
  const given: unknown = readings;
  const list = isIterable(given) ? [...given] : given;
  checkArgument('evaluate', 'readings', list, 'evaluated');
  checkArgument('evaluate', 'options', options, 'evaluateOptions');
  const { sensors = [], until } = options;
  const events = (list as readonly EvaluatedReading[]).map((reading, index) => {
    if (!isReading(reading)) checkArgument('evaluate', `readings.${index}`, reading, 'evaluatedReading');
    return eventOf(reading);
  });
  const facts = new Map(sensors.map((sensor) => [sensor.sensor, sensor]));
  const ruleSet = new RuleSet(alertsOf(rules));
  const counts = (ruleSet.config.counts ?? []).map(({ name }) => countKey(name));
  const keys = [...new Set([...facts.keys(), ...events.map(({ sensor }) => sensor), ...counts])];
  const startMs = events[0]?.atMs ?? 0;
  const ticks: ScenarioEvent[] =
    until === undefined ? [] : [{ kind: 'tick', atMs: timeOf(until, 'until').getTime() }];
  const { rows } = runScenario(
    {
      rules: ruleSet,
      sensors: keys.map((key, index) => {
        const { type = null, location = null, tags = [], gateway = null } = facts.get(key) ?? {};
        return { id: index + 1, key, type, location, tags, gateway };
      }),
      ...{ startMs, connected: true, events: [...events, ...ticks] },
    },
    alertId,
  );
  return rows.map((row) => ({
    sensor: keys[row.sensorId - 1] ?? '',
    ...{ alertType: row.alertType, metric: row.metric, severity: row.severity, message: row.message },
    ...{ time: dateOf(row.timeUs), value: row.value, threshold: row.threshold, alertId: row.alertId },
    startedAt: dateOf(row.startedAtUs),
    resolvedAt: row.resolvedAtUs === undefined ? null : dateOf(row.resolvedAtUs),
    resolvedValue: row.resolvedValue ?? null,
    peakValue: row.peakValue ?? null,
  }));
}

const isReading = (given: EvaluatedReading | null): boolean =>
  typeof given === 'object' &&
  typeof given?.sensor === 'string' &&
  typeof given.metrics === 'object' &&
  given.metrics !== null;

const isIterable = (given: unknown): given is Iterable<unknown> =>
  typeof given === 'object' && given !== null && Symbol.iterator in given;

const dateOf = (timeUs: number): Date => new Date(Math.floor(timeUs / 1000));

function eventOf({ sensor, time, metrics, receivedAt }: EvaluatedReading) {
  const atTime = timeOf(time, `time of ${sensor}`).getTime();
  const atMs = receivedAt === undefined ? atTime : timeOf(receivedAt, `receivedAt of ${sensor}`).getTime();
  return {
    kind: 'reading' as const,
    atMs,
    timeUs: atTime * 1000,
    sensor,
    metrics: new Map(Object.entries(metrics)),
  };
}
