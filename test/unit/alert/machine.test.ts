import { describe, expect, test } from '@jest/globals';
import { evaluateThreshold } from '../../../src/core/alert/kind/limits.ts';
import type { Condition } from '../../../src/core/alert/rules/condition.ts';
import { nextState } from '../../../src/core/alert/state/machine.ts';
import {
  type Episode,
  type EpisodeState,
  NO_FLAPS,
  OK,
  type StepInput,
} from '../../../src/core/alert/state/state.ts';

// The transition table of docs/alerts.md, cell by cell: max 30, hysteresis 2, for 60 s, keep_firing_for 60 s.

const S = 1_000_000;

const condition = (extra: Partial<Condition> = {}): Condition => ({
  alertType: 'temperature_high',
  metric: 'temperature',
  kind: 'threshold',
  side: 'high',
  levels: [
    { severity: 'warning', limit: 30, forUs: undefined },
    { severity: 'critical', limit: 40, forUs: 0 },
  ],
  hysteresis: 2,
  forUs: 60 * S,
  forMode: 'confirmed',
  minSamples: 1,
  keepFiringForUs: 60 * S,
  staleAfterUs: 600 * S,
  latch: false,
  flap: undefined,
  window: 0,
  runbook: null,
  labels: {},
  hash: 'h',
  ...extra,
});

const episode: Episode = {
  alertId: undefined,
  startedAtUs: 0,
  firedAtUs: [0],
  severity: 'warning',
  threshold: 30,
  peak: 33,
  peakExcess: 33,
  seq: 1,
  ack: undefined,
  flapped: false,
  deferredSinceMs: undefined,
  deferredBy: undefined,
  notifiedMs: undefined,
};

const STATES = {
  ok: OK,
  pending: { kind: 'pending', sinceUs: 0, levels: [0, undefined], streak: 1, flaps: NO_FLAPS },
  firing: { kind: 'firing', episode, levels: [0, undefined], flaps: NO_FLAPS },
  recovering: { kind: 'recovering', sinceUs: 0, episode, flaps: NO_FLAPS },
  latched: { kind: 'latched', episode, flaps: NO_FLAPS },
  flapping: { kind: 'flapping', episode, raw: 'breach', changedAtUs: 0, flaps: [0] },
} satisfies Record<string, EpisodeState>;

/** Each column at 30 s (before every delay is over) and at 60 s (when it is). */
const reading =
  (value: number | undefined, gap = false) =>
  (atS: number, rule: Condition): StepInput => ({
    kind: 'reading',
    timeUs: atS * S,
    gap,
    evaluation: value === undefined ? undefined : evaluateThreshold(rule, value),
    last: { timeUs: 0, value: 31 },
  });
const rule =
  (change: 'changed' | 'removed', value: number) =>
  (atS: number, to: Condition): StepInput => ({
    kind: 'rule',
    change,
    nowUs: atS * S,
    evaluation: evaluateThreshold(to, value),
    last: { timeUs: 0, value },
  });
const last = { timeUs: 0, value: 31 };

const INPUTS = {
  breach: reading(31),
  critical: reading(41),
  band: reading(29),
  clear: reading(28),
  'breach after a gap': reading(31, true),
  'clear after a gap': reading(28, true),
  'no verdict': reading(undefined),
  'no verdict after a gap': reading(undefined, true),
  tick: (atS: number): StepInput => ({ kind: 'tick', nowUs: atS * S, last }),
  'rule changed, clear': rule('changed', 28),
  'rule changed, breach': rule('changed', 31),
  'rule removed': rule('removed', 31),
  ack: (atS: number): StepInput => ({ kind: 'ack', atMs: atS * 1000, by: 'ann', last }),
  'operator resolves': (atS: number): StepInput => ({ kind: 'resolve', atMs: atS * 1000, last }),
};

type Row = Record<keyof typeof INPUTS, string>;

/** `next state: notifications`, at 30 s. */
const TABLE: Record<keyof typeof STATES, Row> = {
  ok: {
    breach: 'pending: pending@30',
    critical: 'firing: firing@30 critical',
    band: 'ok',
    clear: 'ok',
    'breach after a gap': 'pending: pending@30',
    'clear after a gap': 'ok',
    'no verdict': 'ok',
    'no verdict after a gap': 'ok',
    tick: 'ok',
    'rule changed, clear': 'ok',
    'rule changed, breach': 'ok',
    'rule removed': 'ok',
    ack: 'ok',
    'operator resolves': 'ok',
  },
  pending: {
    breach: 'pending',
    critical: 'firing: firing@30 critical',
    band: 'ok: cancelled@30',
    clear: 'ok: cancelled@30',
    'breach after a gap': 'pending: pending@30',
    'clear after a gap': 'ok: cancelled@30',
    'no verdict': 'pending',
    'no verdict after a gap': 'ok: cancelled@30',
    tick: 'pending',
    'rule changed, clear': 'ok: cancelled@30',
    'rule changed, breach': 'pending',
    'rule removed': 'ok: cancelled@30',
    ack: 'pending',
    'operator resolves': 'pending',
  },
  firing: {
    breach: 'firing',
    critical: 'firing: escalated@30 critical',
    band: 'firing',
    clear: 'recovering: recovering@30',
    'breach after a gap': 'firing',
    'clear after a gap': 'recovering: recovering@30',
    'no verdict': 'firing',
    'no verdict after a gap': 'firing',
    tick: 'firing',
    'rule changed, clear': 'ok: resolved@30 rule_changed',
    'rule changed, breach': 'firing',
    'rule removed': 'ok: resolved@30 rule_removed',
    ack: 'firing: acked@30',
    'operator resolves': 'ok: resolved@30 manual',
  },
  recovering: {
    breach: 'firing: refiring@30',
    critical: 'firing: refiring@30, escalated@30 critical',
    band: 'firing: refiring@30',
    clear: 'recovering',
    'breach after a gap': 'firing: refiring@30',
    'clear after a gap': 'recovering',
    'no verdict': 'recovering',
    'no verdict after a gap': 'recovering',
    tick: 'recovering',
    'rule changed, clear': 'recovering',
    'rule changed, breach': 'recovering',
    'rule removed': 'ok: resolved@30 rule_removed',
    ack: 'recovering: acked@30',
    'operator resolves': 'ok: resolved@30 manual',
  },
  latched: {
    breach: 'firing',
    critical: 'firing: escalated@30 critical',
    band: 'latched',
    clear: 'latched',
    'breach after a gap': 'firing',
    'clear after a gap': 'latched',
    'no verdict': 'latched',
    'no verdict after a gap': 'latched',
    tick: 'latched',
    'rule changed, clear': 'latched',
    'rule changed, breach': 'latched',
    'rule removed': 'ok: resolved@30 rule_removed',
    ack: 'ok: acked@30, resolved@30 manual',
    'operator resolves': 'ok: resolved@30 manual',
  },
  flapping: {
    breach: 'flapping',
    critical: 'flapping',
    band: 'flapping',
    clear: 'flapping',
    'breach after a gap': 'flapping',
    'clear after a gap': 'flapping',
    'no verdict': 'flapping',
    'no verdict after a gap': 'flapping',
    tick: 'flapping',
    'rule changed, clear': 'ok: flapping_end@30, resolved@30 rule_changed',
    'rule changed, breach': 'flapping',
    'rule removed': 'ok: flapping_end@30, resolved@30 rule_removed',
    ack: 'flapping: acked@30',
    'operator resolves': 'ok: flapping_end@30, resolved@30 manual',
  },
};

function run(state: EpisodeState, input: (atS: number, rule: Condition) => StepInput, atS: number): string {
  const rules = condition(
    state.kind === 'latched'
      ? { latch: true }
      : state.kind === 'flapping'
        ? { flap: { changes: 4, windowUs: 600 * S, holdUs: 600 * S } }
        : {},
  );
  const frozen = JSON.stringify(state);
  const { state: next, effects } = nextState(state, input(atS, rules), rules);
  expect(JSON.stringify(state)).toBe(frozen);
  const lines = effects.map(
    ({ transition, timeUs, severity, reason }) =>
      `${transition}@${timeUs / S}${reason ? ` ${reason}` : severity === 'critical' ? ' critical' : ''}`,
  );
  return lines.length === 0 ? next.kind : `${next.kind}: ${lines.join(', ')}`;
}

describe('the transition table', () => {
  for (const [name, row] of Object.entries(TABLE) as [keyof typeof STATES, Row][])
    test.each(Object.entries(row) as [keyof typeof INPUTS, string][])(`${name}, %s`, (input, expected) => {
      expect(run(STATES[name], INPUTS[input], 30)).toBe(expected);
    });
});

describe('when the delay is over', () => {
  test.each([
    ['pending', 'breach', 'firing: firing@60'],
    ['pending', 'band', 'ok: cancelled@60'],
    ['pending', 'breach after a gap', 'pending: pending@60'],
    ['recovering', 'clear', 'ok: resolved@60 value'],
    ['recovering', 'band', 'firing: refiring@60'],
    ['recovering', 'clear after a gap', 'recovering'],
    ['recovering', 'tick', 'recovering'],
  ] as const)('%s, %s', (state, input, expected) => {
    expect(run(STATES[state], INPUTS[input], 60)).toBe(expected);
  });

  test.each([
    ['breach', 'firing: flapping_end@600'],
    ['band', 'firing: flapping_end@600'],
    ['clear', 'flapping'],
  ] as const)('flapping, %s', (input, expected) => {
    expect(run(STATES.flapping, INPUTS[input], 600)).toBe(expected);
  });

  test('flapping that ended clear resolves the open row', () => {
    const state: EpisodeState = { ...STATES.flapping, raw: 'clear' };
    expect(run(state, INPUTS.clear, 600)).toBe('ok: flapping_end@600, resolved@600 flapping_end');
  });
});

describe('rules with other delays', () => {
  const walk = (rules: Condition, timeline: readonly (readonly [number, number])[]) => {
    let state: EpisodeState = OK;
    let before: { timeUs: number; value: number } | undefined;
    const lines: string[] = [];
    for (const [atS, value] of timeline) {
      const gap = before !== undefined && atS * S - before.timeUs > rules.staleAfterUs;
      const evaluation = evaluateThreshold(rules, value);
      const input: StepInput = { kind: 'reading', timeUs: atS * S, gap, evaluation, last: before };
      const result = nextState(state, input, rules);
      state = result.state;
      before = { timeUs: atS * S, value };
      lines.push(...result.effects.map((each) => `${each.transition}@${each.timeUs / S}(${each.value})`));
    }
    return lines;
  };

  test('min_samples counts breaching readings in a row', () => {
    const rules = condition({
      forUs: 0,
      minSamples: 3,
      levels: [{ severity: 'warning', limit: 30, forUs: undefined }],
    });
    expect(walk(rules, [[0, 31], [10, 31], [20, 29], [30, 31], [40, 31], [50, 32]])).toEqual([
      'pending@0(31)',
      'cancelled@20(29)',
      'pending@30(31)',
      'firing@50(32)',
    ]); // prettier-ignore
  });

  test('held fires at the deadline with the last value, whatever the reading that shows it', () => {
    const rules = condition({ forMode: 'held', keepFiringForUs: 0 });
    expect(walk(rules, [[0, 31], [40, 33], [90, 20]])).toEqual([
      'pending@0(31)',
      'firing@60(33)',
      'resolved@90(20)',
    ]); // prettier-ignore
  });

  test('held does not fire on a stale reading', () => {
    const rules = condition({ forMode: 'held', staleAfterUs: 50 * S });
    expect(
      walk(rules, [
        [0, 31],
        [200, 31],
      ]),
    ).toEqual(['pending@0(31)', 'pending@200(31)']);
  });

  test('a level with its own for escalates when it alone has lasted', () => {
    const rules = condition({
      forUs: 0,
      levels: [
        { severity: 'warning', limit: 30, forUs: undefined },
        { severity: 'critical', limit: 40, forUs: 60 * S },
      ],
    });
    expect(walk(rules, [[0, 41], [30, 39], [40, 41], [90, 41], [100, 42], [110, 37], [120, 41]])).toEqual([
      'firing@0(41)',
      'escalated@100(42)',
      'deescalated@110(37)',
    ]); // prettier-ignore
  });
});
