import { describe, expect, test } from '@jest/globals';
import { alertsSchema } from '../../../src/config/schema/alerts.ts';
import { overrideConflicts } from '../../../src/core/alert/rules/validate.ts';
import { Bench, D, rulesOf, sensorOf } from './support.ts';

const limitsOf = (alerts: unknown, facts: Parameters<typeof sensorOf>[1] = {}, metric = 'temperature') =>
  rulesOf(alerts)
    .rulesFor(sensorOf('s1', facts))
    .ruleOf(metric)
    ?.conditions.flatMap(({ alertType, levels }) =>
      levels.map(({ severity, limit }) => `${alertType} ${severity} ${limit}`),
    );

describe('rules by scope', () => {
  const alerts = {
    metrics: { '*': { hysteresis: 1 }, temperature: { max: 30 } },
    overrides: [
      { sensor: 's1', metrics: { temperature: { max: 5 } } },
      { tag: 'b', metrics: { temperature: { max: 4 } } },
      { tag: 'a', metrics: { temperature: { max: 3, min: 1 } } },
      { location: 'lab', metrics: { '*': { max: 2 } } },
      { type: 'probe', metrics: { temperature: { max: 1 } } },
    ],
  };

  test.each([
    [{}, 30],
    [{ type: 'probe' }, 1],
    [{ type: 'probe', location: 'lab' }, 2],
    [{ type: 'probe', location: 'lab', tags: ['b'] }, 4],
    [{ tags: ['a', 'b'] }, 3],
  ])('%j', (facts, max) => {
    const rule = rulesOf(alerts).rulesFor(sensorOf('s9', facts)).ruleOf('temperature');
    expect(rule?.quietMax).toBe(max);
  });

  test('the sensor wins per field', () => {
    const rule = rulesOf(alerts)
      .rulesFor(sensorOf('s1', { tags: ['a'] }))
      .ruleOf('temperature');
    expect(rule).toMatchObject({ quietMax: 5, quietMin: 1 });
  });

  test('each field has its origin', () => {
    const [rule] = rulesOf(alerts).effectiveRules(sensorOf('s1', { tags: ['a'] }));
    expect(Object.fromEntries(rule?.origins ?? [])).toMatchObject({
      max: 'overrides[0] (sensor s1) temperature',
      min: 'overrides[2] (tag a) temperature',
      hysteresis: 'metrics.*',
      for: 'defaults',
    });
  });

  test('sensors that the same overrides fit share one compiled rule', () => {
    const rules = rulesOf(alerts);
    expect(rules.rulesFor(sensorOf('s7'))).toBe(rules.rulesFor(sensorOf('s8')));
  });

  test('null takes a limit back; without any the metric is not watched', () => {
    const off = { ...alerts, overrides: [{ sensor: 's1', metrics: { temperature: { max: null } } }] };
    expect(limitsOf(off)).toBeUndefined();
  });

  test('"*" watches metrics that are not named, including one called constructor', () => {
    expect(limitsOf({ metrics: { '*': { max: 1 } } }, {}, 'constructor')).toEqual([
      'constructor_high warning 1',
    ]);
    expect(limitsOf({ metrics: { temperature: { max: 1 } } }, {}, 'constructor')).toBeUndefined();
  });

  test('the levels are sorted by severity; a fall is a negative rate', () => {
    expect(
      limitsOf({
        metrics: {
          temperature: {
            max: 30,
            max_fall: 5,
            levels: [
              { severity: 'critical', max: 40 },
              { severity: 'info', max: 25 },
            ],
          },
        },
      }),
    ).toEqual([
      'temperature_high info 25',
      'temperature_high warning 30',
      'temperature_high critical 40',
      'temperature_rate_low warning -5',
    ]);
  });

  test('the hash changes with what is evaluated, and not with the runbook', () => {
    const hash = (rule: object) =>
      rulesOf({ metrics: { temperature: { max: 30, ...rule } } })
        .rulesFor(sensorOf('s1'))
        .ruleOf('temperature')?.conditions[0]?.hash;
    expect(hash({ runbook: 'x', labels: { team: 'x' } })).toBe(hash({}));
    expect(hash({ hysteresis: 1 })).not.toBe(hash({}));
  });
});

describe('rules that cannot be meant', () => {
  const faults = (alerts: unknown) =>
    alertsSchema.safeParse(alerts).error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  const temperature = (rule: object) => ({ metrics: { temperature: rule } });

  test.each([
    [temperature({ min: 50, max: 40 }), 'metrics.temperature.min: min 50 is above max 40'],
    [
      temperature({ min: 10, max: 30, hysteresis: 11 }),
      'metrics.temperature.hysteresis: hysteresis 11 leaves no value that is clear of both min 10 and max 30; it can be 10 at most',
    ],
    [
      temperature({ max: 30, levels: [{ severity: 'critical', max: 20 }] }),
      'metrics.temperature.levels: critical max 20 comes before warning max 30',
    ],
    [
      temperature({ max: 30, levels: [{ severity: 'warning', max: 40 }] }),
      'metrics.temperature.levels: two max limits have severity warning',
    ],
    [
      { ...temperature({ min: 10 }), overrides: [{ tag: 'x', metrics: { temperature: { max: 5 } } }] },
      'overrides.0.metrics.temperature: min 10 is above max 5',
    ],
    [
      { overrides: [{ tag: 'x', sensor: 'y', metrics: {} }] },
      'overrides.0: needs exactly one of type, location, tag, sensor; it has tag, sensor',
    ],
  ])('%j', (alerts, message) => {
    expect(faults(alerts)).toEqual([message]);
  });

  test.each([
    temperature({ hysteresis: -1 }),
    temperature({ maxx: 1 }),
    temperature({ for: 'soon' }),
    temperature({ max: '30' }),
    temperature({ levels: [{ severity: 'critical' }] }),
  ])('%j is no rule', (alerts) => {
    expect(faults(alerts)).toHaveLength(1);
  });

  test('overrides that meet in one sensor are checked when it is known', () => {
    const { config } = rulesOf({
      overrides: [
        { type: 'probe', metrics: { temperature: { min: 10 } } },
        { tag: 'cold', metrics: { temperature: { max: 8 } } },
      ],
    });
    const cold = ['s1', 's2', 's3', 's4', 's5'].map((key) =>
      sensorOf(key, { type: 'probe', tags: ['cold'] }),
    );
    const alone = [sensorOf('warm', { type: 'probe' }), sensorOf('other', { tags: ['cold'] })];
    expect(overrideConflicts(config, [...alone, ...cold])).toEqual([
      {
        path: ['overrides', 0, 'metrics', 'temperature', 'min'],
        message:
          'temperature: min 10 is above max 8 where type probe and tag cold meet: sensor s1, s2, s3 and 2 more',
        sensors: ['s1', 's2', 's3', 's4', 's5'],
      },
    ]);
    expect(overrideConflicts(config, alone)).toEqual([]);
  });
});

describe('labels of a rule', () => {
  const faults = (labels: unknown) =>
    alertsSchema
      .safeParse({ metrics: { temperature: { max: 30, labels } } })
      .error?.issues.map(({ message }) => message);

  test('have the names of Prometheus, and none that an alert has already', () => {
    expect(faults({ team: 'cold', _a1: 'x', other: null })).toBeUndefined();
    expect(faults({ severity: 'x' })).toEqual(['every alert has its own severity']);
    expect(faults({ 'a-b': 'x' })).toHaveLength(1);
    expect(faults({ team: '' })).toHaveLength(1);
    expect(faults(Object.fromEntries(Array.from({ length: 21 }, (_, n) => [`l${n}`, 'x'])))).toEqual([
      'has 21 labels; 20 are the most',
    ]);
  });

  test('a notification of a rule without any has no such field', () => {
    const bench = new Bench(rulesOf(D)).send({ at: 0, value: 31 });
    expect(bench.notifications[0]).not.toHaveProperty('labels');
  });
});
