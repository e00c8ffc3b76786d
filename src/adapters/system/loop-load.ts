import { performance } from 'node:perf_hooks';

/** Returns, at each call, the share of the time since the last one in which the event loop of this thread had work: 0 to 1. */
export function loopLoad(): () => number {
  let last = performance.eventLoopUtilization();
  return () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, last);
    last = now;
    return utilization;
  };
}
