import { kindOf } from '../../core/alert/kind/index.ts';
import { limitUnit } from '../../core/alert/kind/alert-unit.ts';
import { onDelayUs } from '../../core/alert/rules/condition.ts';
import type { AlertsConfig } from '../../core/alert/rules/config.ts';
import { RuleSet } from '../../core/alert/rules/rule-set.ts';
import { type StatedUnit } from '../../core/metric-unit.ts';
import { listEpisodes } from '../../queries/alert-episodes.ts';
import { latestValues } from '../../queries/latest-values.ts';
import type { IndexedSensor } from '../../queries/sensor-index.ts';
import { furtherFacts } from '../../queries/sensors.ts';
import { keyParams } from '../contract/fields.ts';
import { type Limit, sensorSchema } from '../contract/sensors.ts';
import { alertItem } from './alert-item.ts';
import { resource } from './resource.ts';
import { sensorItem } from './sensor-item.ts';
import { sensorOf } from './sensor-lookup.ts';
import { iso, isoOrNull } from './values.ts';

const MOST = { metrics: 1000, alerts: 200 } as const;

export const sensor = resource({
  id: 'sensor',
  method: 'GET',
  path: '/sensors/:key',
  tag: 'sensors',
  summary: 'One sensor: its newest values, its limits and its open alerts',
  role: 'viewer',
  shared: true,
  params: keyParams,
  answer: sensorSchema,
  faults: ['SENSOR_UNKNOWN'],
  async handle({ params }, deps) {
    const { db, clock, daemon } = deps;
    const found = await sensorOf(params.key, deps);
    const nowMs = clock.nowMs();
    // One that was silent when the list was read may have sent since.
    const seen = { id: found.id, lastSeenMs: found.lastSeenMs ?? nowMs };
    const latest = (await latestValues(db, [seen], { nowMs, most: MOST.metrics })).get(found.id) ?? [];
    const { aliases, firstSeen } = await furtherFacts(db, found.id);
    const page = { sensor: found.key, limit: MOST.alerts };
    const open = await listEpisodes(db, { ...page, state: 'open' });
    const alerts = [...open, ...(await listEpisodes(db, { ...page, state: 'pending' }))];
    return {
      ...sensorItem(found, latest),
      aliases: [...aliases],
      declared: found.declared,
      createdAt: iso(found.createdAt),
      firstSeen: isoOrNull(firstSeen),
      limits: limitsOf(
        daemon.alertRules(),
        found,
        latest.map(({ metric }) => metric),
        daemon.unitOf,
      ),
      alerts: alerts.map((row) => alertItem(row, nowMs, daemon.unitOf)),
    };
  },
});

/** Every limit of a sensor, one for each severity, with the layer of the configuration that sets it. */
export function limitsOf(
  config: AlertsConfig,
  facts: IndexedSensor,
  metrics: readonly string[],
  stated: StatedUnit,
): Limit[] {
  const rules = new RuleSet(config);
  const compiled = rules.rulesFor(facts);
  return rules.effectiveRules(facts, metrics).flatMap(({ metric, origins }) => {
    const own = [...origins.values()].filter((origin) => origin !== 'defaults');
    const from = own.at(-1) ?? 'defaults';
    return (compiled.ruleOf(metric)?.conditions ?? []).flatMap((condition) =>
      condition.levels.map((level): Limit => {
        const { alertType, kind, side, hysteresis, keepFiringForUs, latch, runbook } = condition;
        return {
          ...{
            metric,
            alertType,
            kind,
            measure: kindOf(kind).measure ?? kind,
            onCurve: kindOf(kind).limitOnCurve === 'rule',
            side,
            severity: level.severity,
            bound: level.limit,
            hysteresis,
            latch,
            runbook,
            from,
          },
          boundUnit: limitUnit(kind, metric, stated) ?? null,
          forS: onDelayUs(condition, level) / 1_000_000,
          keepFiringForS: keepFiringForUs / 1_000_000,
        };
      }),
    );
  });
}
