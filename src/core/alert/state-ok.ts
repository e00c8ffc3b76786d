import { judgeThreshold } from './kind/threshold.ts';
import { confirmedLevel, track } from './ladder.ts';
import { effect, fire, result } from './moves.ts';
import type { Condition } from './rule.ts';
import type { FlapTimes, LastEvent, LevelTimes, StateOf, StepInput, StepResult, Verdict } from './state.ts';

/** OK: only a breach matters. Neither time nor a change of rules ever fires anything from here. */
export function stepOk(state: StateOf<'ok'>, input: StepInput, condition: Condition): StepResult {
  switch (input.kind) {
    case 'reading': {
      const { verdict, timeUs } = input;
      if (verdict === undefined) return result(state);
      if (verdict.breached < 0) return result({ kind: 'ok', flaps: state.flaps });
      if (isClosed(state, input.last, condition)) return result(state);
      const levels = track(condition, [], verdict, timeUs, true);
      return begin(condition, { sinceUs: timeUs, levels, streak: 1, flaps: state.flaps }, timeUs, verdict);
    }
    case 'tick':
    case 'ack':
    case 'resolve':
      return result(state);
    case 'rule':
      if (input.change === 'removed') return result({ ...state, flaps: [] });
      return result(seenFalse(input.verdict, condition) ? { kind: 'ok', flaps: state.flaps } : state);
  }
}

/** What was closed by hand stays so until its condition was seen false: by this rule, or in a time without it. */
function isClosed({ closedUs }: StateOf<'ok'>, last: LastEvent | undefined, condition: Condition): boolean {
  if (closedUs === undefined) return false;
  if (condition.kind !== 'threshold' || last === undefined || last.timeUs <= closedUs) return true;
  return !seenFalse(judgeThreshold(condition, last.value), condition);
}

/** For no data a longer time is none: data has to come. */
const seenFalse = (verdict: Verdict | undefined, { kind }: Condition): boolean =>
  kind !== 'no_data' && verdict !== undefined && verdict.breached < 0;

/** The first breach: fires when no level asks for more, else PENDING. */
export function begin(
  condition: Condition,
  run: { sinceUs: number; levels: LevelTimes; streak: number; flaps: FlapTimes },
  timeUs: number,
  verdict: Verdict,
): StepResult {
  const fired = fireConfirmed(condition, run, timeUs, verdict);
  if (fired !== undefined) return fired;
  const severity = condition.levels[verdict.breached]?.severity ?? 'warning';
  const threshold = verdict.limits[verdict.breached];
  return result(
    { kind: 'pending', ...run },
    effect('pending', run.sinceUs, { value: verdict.value, severity, threshold }),
  );
}

/** Fires the highest level whose delay is over, with a breaching reading at or after that moment in hand. */
export function fireConfirmed(
  condition: Condition,
  run: { sinceUs: number; levels: LevelTimes; streak: number; flaps: FlapTimes },
  timeUs: number,
  verdict: Verdict,
): StepResult | undefined {
  const level = run.streak >= condition.minSamples ? confirmedLevel(condition, run.levels, timeUs) : -1;
  if (level < 0) return undefined;
  const { value, excess, limits } = verdict;
  const limit = limits[level] ?? value;
  return fire(
    condition,
    { timeUs, startedAtUs: run.sinceUs, value, excess, level, limit, levels: run.levels },
    run.flaps,
  );
}
