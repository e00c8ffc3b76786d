import { expect, test } from '@jest/globals';
import { alertsSchema } from '../../../src/config/schema/alerts.ts';
import { prometheusRules } from '../../../src/core/alert/analysis/prometheus-rules.ts';

const exported = (alerts: object) => prometheusRules(alertsSchema.parse(alerts));
const LEFT_OUT = 'fieldwatch_alert_states_left_out';

test('every alert type that the configuration can raise has a rule', () => {
  const { rules } = exported({
    offline_after: '15m',
    metrics: {
      temperature: { min: 2, max: 8, max_rise: 1, anomaly: { z: 4, window: 60 }, no_data_after: '5m' },
      supply: { max_mean: 1, max_spread: 2, difference: { minus: { metric: 'return' }, max: 20, name: 'heat' } },
    },
    overrides: [{ tag: 'cold', metrics: { humidity: { max: 90 } } }],
    counts: [{ name: 'many', of: { alert_type: 'temperature_high' }, at_least: 3 }],
  });
  expect(rules.map(({ alert }) => alert)).toEqual([
    ...['heat_high', 'humidity_high', 'many', 'offline', 'supply_mean_high', 'supply_spread_high'],
    ...['temperature_anomaly', 'temperature_high', 'temperature_low', 'temperature_no_data', 'temperature_rate_high'],
    LEFT_OUT,
  ]);
  expect(rules[0]?.expr).toBe(
    'max by (job, sensor, type, severity) (fieldwatch_alert_state{type="heat_high"}) > 0',
  );
}); // prettier-ignore

test('a rule of all metrics leaves those that are named to their own', () => {
  const { rules } = exported({ metrics: { '*': { no_data_after: '1h' }, 'a.b': { no_data_after: '5m' } } });
  const [any, named, offline] = rules;
  expect([any?.alert, named?.alert, offline?.alert]).toEqual([
    'any_metric_no_data',
    'a.b_no_data',
    'offline',
  ]);
  expect(any?.expr).toContain('{type=~".+_no_data", type!~"a\\\\.b_no_data"}');
});

test('runbook and labels are exported where all rules of a type agree, and reported where they do not', () => {
  const { rules, omitted } = exported({
    metrics: { temperature: { max: 8, runbook: 'https://wiki/a', labels: { team: 'cold', site: 'x' } } },
    overrides: [{ sensor: 's1', metrics: { temperature: { labels: { team: 'lab' } } } }],
  });
  expect(rules[0]).toMatchObject({ labels: { site: 'x' }, annotations: { runbook_url: 'https://wiki/a' } });
  expect(omitted).toEqual(['temperature_high: no label team, for it differs by scope']);
});

test('what Prometheus would take as a template is left out and reported', () => {
  const { rules, omitted } = exported({
    metrics: { temperature: { max: 8, runbook: 'see {{ secret }}', labels: { __name__: 'x' } } },
  });
  expect(rules[0]?.annotations).not.toHaveProperty('runbook_url');
  expect(rules[0]).not.toHaveProperty('labels');
  expect(omitted).toHaveLength(2);
});

test('a metric that is named like the rule of all metrics gets a name of its own', () => {
  const { rules } = exported({ metrics: { '*': { max: 1 }, any_metric: { max: 2 } } });
  expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
});

test('of no rules are none', () => {
  expect(exported({}).rules).toEqual([]);
});
