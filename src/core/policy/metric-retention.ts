import type { MetricRetention } from '../series-plan.ts';
import { calendarMs } from './interval.ts';
import { type PolicyPlan, declaredPolicy } from './plan.ts';

/** How long values and their figures are kept, by the retention policies that are declared and not paused. */
export function metricRetention(plan: PolicyPlan): MetricRetention {
  const keptMs = (relation: string) => {
    const policy = declaredPolicy(plan, relation, 'retention');
    const age = policy?.config['drop_after'];
    return policy === undefined || policy.paused !== undefined || age === undefined
      ? undefined
      : calendarMs(age);
  };
  return {
    columns: {
      raw: keptMs('sensor_readings'),
      hourly: keptMs('sensor_hourly_agg'),
      daily: keptMs('sensor_daily_agg'),
    },
    further: {
      raw: keptMs('sensor_metrics'),
      hourly: keptMs('sensor_metrics_hourly_agg'),
      daily: keptMs('sensor_metrics_daily_agg'),
    },
  };
}
