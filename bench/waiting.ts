import { drainOnce } from './draining.ts';
import type { FlowDeps, FlowRun } from './flow.ts';
import type { Figure } from './report.ts';
import { median } from './stats.ts';
import { SENSORS } from './workload.ts';

/** So many readings a second, by their own times: as many as that, times the lateness, wait at once. */
const RATE = 60_000;
const INTERVAL_MS = Math.round((1000 * SENSORS) / RATE);
const PER = 100_000;

const TARGET_RATE = 0.85;
const TARGET_CPU = 1 / 1.25;
const MORE_MEGABYTES = 60;

/** (k) What `alerts.allowed_lateness` costs: the same backlog drained with it and without, alternately, each in a process of its own. */
export async function benchWaiting(deps: FlowDeps): Promise<readonly Figure[]> {
  const waiting: FlowRun[] = [];
  const plain: FlowRun[] = [];
  const { runs } = deps.options.sizes;
  for (let run = 0; run < runs; run++) {
    if (run > 0 && deps.budget.spent) break;
    for (const lateness of run % 2 === 0 ? ['0s', '2s'] : ['2s', '0s']) {
      deps.progress(`(k) waiting, allowed_lateness ${lateness}, run ${run + 1} of ${runs}`);
      const options = { part: 'k', intervalMs: INTERVAL_MS, allowedLateness: lateness } as const;
      (lateness === '0s' ? plain : waiting).push(await drainOnce(deps, 'drain-daemon', options));
    }
  }
  return figuresOf(waiting, plain);
}

export function figuresOf(waiting: readonly FlowRun[], plain: readonly FlowRun[]): readonly Figure[] {
  const figure = (
    measure: string,
    unit: string,
    of: (run: FlowRun) => number,
    compare: (value: number, base: number) => Pick<Figure, 'ratio' | 'target'>,
  ): Figure => {
    const [runs, baseRuns] = [waiting.map(of), plain.map(of)];
    const [value, base] = [median(runs), median(baseRuns)];
    const reference = { what: 'without', unit, value: base, runs: baseRuns };
    return {
      part: 'k',
      measure: `allowed_lateness 2s: ${measure}`,
      unit,
      value,
      runs,
      reference,
      ...compare(value, base),
    };
  };
  return [
    figure(
      'backlog drained',
      'messages/s',
      ({ report }) => report.timed / report.seconds,
      (value, base) => ({ ratio: value / base, target: TARGET_RATE }),
    ),
    figure(
      'CPU per 100,000 messages',
      's',
      ({ report }) => (report.cpuSeconds * PER) / report.timed,
      (value, base) => ({ ratio: base / value, target: TARGET_CPU }),
    ),
    figure(
      `peak memory, of ${MORE_MEGABYTES} MB more`,
      'MB',
      ({ report }) => report.peakMegabytes,
      (value, base) => ({ ratio: (base + MORE_MEGABYTES) / value, target: 1 }),
    ),
  ];
}
