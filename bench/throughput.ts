import { drainOnce } from './draining.ts';
import type { FlowDeps, FlowRun, Side, ThroughputPart } from './flow.ts';
import { flowOnce } from './live.ts';
import { type Figure, formatNumber } from './report.ts';
import { median } from './stats.ts';

const TARGET = 0.75;
const PER = 100_000;
const NAMES = { c: 'live', c2: 'backlog drained' } as const;

interface Runs {
  readonly ours: readonly FlowRun[];
  readonly bare: readonly FlowRun[];
}

/** (c) or (c2), and (e) of it: the bare subscriber and the daemon alternately, each run in a process of its own. */
export async function benchThroughput(
  deps: FlowDeps,
  part: ThroughputPart,
): Promise<{ readonly throughput: Figure; readonly cpu: Figure }> {
  const { runs } = deps.options.sizes;
  const once = part === 'c' ? flowOnce : drainOnce;
  const bare: FlowRun[] = [];
  const ours: FlowRun[] = [];
  for (let run = 0; run < runs; run++) {
    if (run > 0 && deps.budget.spent) break;
    // Each goes first every other time.
    const sides: Side[] = run % 2 === 0 ? ['drain-bare', 'drain-daemon'] : ['drain-daemon', 'drain-bare'];
    for (const side of sides) {
      deps.progress(`(${part}) ${NAMES[part]}, ${side}, run ${run + 1} of ${runs}`);
      (side === 'drain-bare' ? bare : ours).push(await once(deps, side));
    }
  }
  return { throughput: throughputOf(part, { ours, bare }), cpu: cpuOf(part, { ours, bare }) };
}

export function throughputOf(part: ThroughputPart, { ours, bare }: Runs): Figure {
  const rate = ({ report }: FlowRun) => report.timed / report.seconds;
  const [runs, bareRuns] = [ours.map(rate), bare.map(rate)];
  const [value, reference] = [median(runs), median(bareRuns)];
  return {
    part,
    measure: `QoS 1 messages to committed rows, ${NAMES[part]}`,
    unit: 'messages/s',
    value,
    runs,
    reference: { what: 'bare MQTT.js', unit: 'messages/s', value: reference, runs: bareRuns },
    ratio: value / reference,
    target: TARGET,
    note: ['alert rules active', ...published({ ours, bare }), limits(ours)].join('; '),
  };
}

/** At the pace of the subscriber or below, publishing was the limit; above it, the broker queued the rest. */
function published({ ours, bare }: Runs): readonly string[] {
  const rate = (runs: readonly FlowRun[]) =>
    formatNumber(median(runs.flatMap(({ publishedPerSecond = [] }) => publishedPerSecond)));
  if (ours.every(({ publishedPerSecond }) => publishedPerSecond === undefined)) return [];
  return [`the broker acknowledged ${rate(ours)}/s to the publisher, ${rate(bare)}/s to the bare one`];
}

/** The bottleneck: near 100 %, a commit in flight means the database, and a busy process means the daemon. */
function limits(ours: readonly FlowRun[]): string {
  const share = (of: 'commitSeconds' | 'cpuSeconds') =>
    Math.round(100 * median(ours.map(({ report }) => report[of] / report.seconds)));
  const [committing, busy] = [share('commitSeconds'), share('cpuSeconds')];
  return `a commit was in flight ${committing} % of the time, the daemon used ${busy} % of a core`;
}

function cpuOf(part: ThroughputPart, { ours, bare }: Runs): Figure {
  const per100k = ({ report }: FlowRun) => (report.cpuSeconds * PER) / report.timed;
  const peak = (of: readonly FlowRun[]) => Math.round(median(of.map(({ report }) => report.peakMegabytes)));
  const [runs, bareRuns] = [ours.map(per100k), bare.map(per100k)];
  return {
    part: 'e',
    measure: `CPU per 100,000 messages, ${NAMES[part]}`,
    unit: 's',
    value: median(runs),
    runs,
    reference: { what: 'bare MQTT.js', unit: 's', value: median(bareRuns), runs: bareRuns },
    note: `user and system time of the daemon's process in (${part}); broker and database come on top; peak memory ${peak(ours)} MB, of the bare one ${peak(bare)} MB`,
  };
}
