import type { MetricValues } from '../../metric-values.ts';
import type { Decoded, Reading, RejectCode } from '../../reading.ts';
import type { MessageContext } from './context.ts';
import { type DevicePlan, deviceOf } from './device.ts';
import { type Draft, type Element, type Fault, isFault } from './draft.ts';
import { LossTally } from './losses.ts';
import type { MetricPlan } from './metric.ts';
import { type TimePlan, ownTime } from './time.ts';

/** Converts drafts into readings, compiled from one route. */
export interface AssemblyPlan {
  readonly device: DevicePlan;
  readonly time: TimePlan;
  /** Undefined: a retained message counts only if it carries a time of its own (D12). */
  readonly retained: 'ignore' | 'accept' | undefined;
  /** For objects, where keys such as `id` and `time` are identity. */
  readonly metrics: MetricPlan;
  /** For formats that define their metrics themselves. */
  readonly verbatim: MetricPlan;
}

const NO_LOSSES = new LossTally();
const RETAINED_NO_TIME: Fault = { fault: 'retained_no_time' };
const RETAINED: Fault = { fault: 'ignored', detail: 'retained: ignore' };
const TOO_MANY_METRICS: Fault = { fault: 'too_large', detail: 'more metrics than limits.max_metrics' };

/** A reading that still takes the metrics of a later record of the same device and time (D14). */
interface OpenReading extends Reading {
  readonly metrics: MetricValues;
}

interface Built {
  readonly reading: OpenReading;
  readonly losses: LossTally | undefined;
}

export function reject(code: RejectCode, detail?: string): Decoded {
  return detail === undefined ? { kind: 'reject', code } : { kind: 'reject', code, detail };
}

/** One draft to one reading, or the reason why not: device, time, retained, metrics, in this order. */
function toReading(plan: AssemblyPlan, draft: Draft, context: MessageContext): Built | Fault {
  const device = deviceOf(plan.device, context.topicDevice, draft);
  if (typeof device !== 'string') return device;
  const found = ownTime(plan.time, draft, context);
  if (typeof found === 'object') return found;
  const own = draft.relative === true ? undefined : found;
  if (context.retain && plan.retained !== 'accept') {
    // D12: stamped with its arrival, an old retained value would become a fresh reading at every restart.
    if (own === undefined) return RETAINED_NO_TIME;
    if (plan.retained === 'ignore') return RETAINED;
  }
  const sink = (draft.verbatim === true ? plan.verbatim : plan.metrics).collect(draft.metrics, draft.record);
  if (sink.overflow) return TOO_MANY_METRICS;
  if (sink.metrics.size === 0) return { fault: draft.emptyCode ?? 'no_metrics' };
  if (draft.losses !== undefined) (sink.losses ??= new LossTally()).add(draft.losses);
  return {
    reading: {
      device,
      timeUs: found ?? context.receivedAtUs,
      location: context.captures.get('location'),
      gateway: draft.gateway ?? context.gateway,
      stamped: own === undefined,
      metrics: sink.metrics,
    },
    losses: sink.losses,
  };
}

/** All records of a message: bad ones are set aside (D13), different metrics of one device and time merge (D14'). */
export function assemble(
  plan: AssemblyPlan,
  elements: Element | readonly Element[],
  context: MessageContext,
  lostBefore = NO_LOSSES,
): Decoded {
  if (!isList(elements)) return assembleOne(plan, elements, context, lostBefore);
  const merged: Merged = new Map();
  const losses = new LossTally();
  losses.add(lostBefore);
  let first: Fault | undefined;
  for (const element of elements) {
    const built = isFault(element) ? element : toReading(plan, element, context);
    if (isFault(built)) {
      first ??= built;
      if (built.fault !== 'ignored') losses.drop(`record: ${built.fault}`);
      continue;
    }
    if (built.losses !== undefined) losses.add(built.losses);
    merge(merged, built.reading, context.limits.max_metrics, losses);
  }
  const readings = [...merged.values()].flatMap((byTime) => [...byTime.values()]);
  if (readings.length === 0) return reject(first?.fault ?? 'no_metrics', first?.detail);
  return withLosses(readings, losses);
}

function isList(elements: Element | readonly Element[]): elements is readonly Element[] {
  return Array.isArray(elements);
}

function assembleOne(
  plan: AssemblyPlan,
  element: Element,
  context: MessageContext,
  lostBefore: LossTally,
): Decoded {
  const built = isFault(element) ? element : toReading(plan, element, context);
  if (isFault(built)) return reject(built.fault, built.detail);
  // Nearly always: nothing was lost.
  if (built.losses === undefined && lostBefore === NO_LOSSES)
    return { kind: 'readings', readings: [built.reading], dropped: 0 };
  const losses = new LossTally();
  losses.add(lostBefore);
  if (built.losses !== undefined) losses.add(built.losses);
  return withLosses([built.reading], losses);
}

function withLosses(readings: readonly Reading[], losses: LossTally): Decoded {
  const { dropped, ambiguous, names } = losses;
  if (names === undefined) return { kind: 'readings', readings, dropped };
  return { kind: 'readings', readings, dropped, ambiguous, losses: names };
}

type Merged = Map<string, Map<number, OpenReading>>;

/** Adds `reading`, or its metrics to the reading of the same device and time, unless they would be too many. */
function merge(merged: Merged, reading: OpenReading, maxMetrics: number, losses: LossTally): void {
  let byTime = merged.get(reading.device);
  if (byTime === undefined) merged.set(reading.device, (byTime = new Map<number, OpenReading>()));
  const earlier = byTime.get(reading.timeUs);
  if (earlier === undefined) {
    byTime.set(reading.timeUs, reading);
    return;
  }
  for (const [name, value] of reading.metrics) {
    const known = earlier.metrics.get(name);
    if (known === undefined && earlier.metrics.size >= maxMetrics) losses.drop(name);
    else {
      if (known !== undefined && known !== value) losses.replace(name);
      earlier.metrics.set(name, value);
    }
  }
}
