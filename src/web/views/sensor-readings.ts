import { useEffect, useRef, useState } from 'preact/hooks';
import type { Readings } from '../../api/contract/readings.ts';
import { usePage } from '../context.ts';
import { useStore } from '../hooks.ts';
import { appended } from '../plot/gaps.ts';
import { boundsOf, type Range } from '../plot/ranges.ts';
import { pointsFor } from '../plot/scales.ts';
import { asProblem, sensorPath } from '../rest/client.ts';
import type { ApiProblem } from '../rest/problem.ts';

const LIVE_EVERY_MS = 1_000;
const RELOAD_LEAST_MS = 60_000;

export interface ShownReadings {
  readonly readings: Readings | undefined;
  readonly fromMs: number;
  readonly toMs: number;
  readonly problem: ApiProblem | undefined;
  readonly loading: boolean;
  readonly reload: () => void;
}

/** Readings of a sensor over a range, followed by new readings while the view is open. */
export function useReadings(
  key: string,
  metrics: readonly string[] | undefined,
  range: Range,
  width: number,
): ShownReadings {
  const { daemon } = usePage();
  const epoch = useStore(daemon.epoch);
  const [state, setState] = useState<{
    readonly readings?: Readings;
    readonly fromMs: number;
    readonly toMs: number;
  }>(() => boundsOf(range, daemon.nowMs()));
  const [problem, setProblem] = useState<ApiProblem>();
  const [loading, setLoading] = useState(true);
  const [turn, setTurn] = useState(0);
  const wanted = metrics?.join('\n');
  const rangeKey = range.kind === 'last' ? String(range.seconds) : `${range.fromMs}-${range.toMs}`;
  const points = pointsFor(width);
  const latest = useRef(state);
  latest.current = state;

  useEffect(() => {
    if (epoch === 0 || width === 0 || metrics === undefined) return;
    const left = new AbortController();
    const bounds = boundsOf(range, daemon.nowMs());
    setLoading(true);
    const query = {
      metric: metrics,
      from: new Date(bounds.fromMs).toISOString(),
      ...(range.kind === 'fixed' ? { to: new Date(bounds.toMs).toISOString() } : {}),
      points,
    };
    daemon.client.get<Readings>(`${sensorPath(key)}/readings`, query, left.signal).then(
      (readings) => {
        setState({ readings, fromMs: bounds.fromMs, toMs: bounds.toMs });
        setProblem(undefined);
        setLoading(false);
      },
      (error: unknown) => {
        if (left.signal.aborted) return;
        setProblem(asProblem(error));
        setLoading(false);
      },
    );
    return () => left.abort();
  }, [key, wanted, rangeKey, points, epoch, turn]);

  // The newest part: readings as they come, and the window that moves on with the time.
  useEffect(() => {
    if (range.kind !== 'last') return;
    const waiting = new Map<string, { atMs: number; value: number }[]>();
    const end = daemon.bus.on('sensor', (event) => {
      if (event.key !== key) return;
      for (const { metric, value, time } of event.latest) {
        const list = waiting.get(metric) ?? [];
        list.push({ atMs: Date.parse(time), value });
        waiting.set(metric, list);
      }
    });
    const timer = setInterval(() => {
      if (document.hidden || daemon.link.value.state !== 'live') return;
      const { readings } = latest.current;
      if (readings === undefined) return;
      const bounds = boundsOf(range, daemon.nowMs());
      const news = new Map(waiting);
      waiting.clear();
      // A window that moves by less than a pixel need not be drawn again.
      if (news.size === 0 && bounds.toMs - latest.current.toMs < (range.seconds * 1000) / 1000) return;
      setState({ readings: withNews(readings, news), ...bounds });
    }, LIVE_EVERY_MS);
    const reload = setInterval(
      () => {
        if (!document.hidden && daemon.link.value.state === 'live') setTurn((before) => before + 1);
      },
      Math.max(RELOAD_LEAST_MS, (range.seconds * 1000) / 100),
    );
    return () => {
      end();
      clearInterval(timer);
      clearInterval(reload);
    };
  }, [key, rangeKey]);

  return {
    ...state,
    readings: state.readings,
    problem,
    loading,
    reload: () => setTurn((before) => before + 1),
  };
}

function withNews(
  readings: Readings,
  news: ReadonlyMap<string, readonly { readonly atMs: number; readonly value: number }[]>,
): Readings {
  if (news.size === 0) return readings;
  return {
    ...readings,
    metrics: readings.metrics.map((one) => {
      const list = news.get(one.metric);
      if (list === undefined) return one;
      const columns = list.reduce(
        (before, { atMs, value }) => appended(before, atMs, value, readings.stepS * 1000),
        one as Parameters<typeof appended>[0],
      );
      return { ...one, ...columns } as typeof one;
    }),
  };
}
