import { useEffect, useReducer, useRef, useState } from 'preact/hooks';
import type { EventName } from '../api/contract/events.ts';
import { usePage } from './context.ts';
import type { Store } from './live/store.ts';
import { type Query, asProblem } from './rest/client.ts';
import type { ApiProblem } from './rest/problem.ts';

/** The value of a store, and a new rendering whenever it changes. */
export function useStore<T>(store: Store<T>): T {
  return useSelected(store, (value) => value);
}

/** A part of a store's value: other changes render nothing. */
export function useSelected<T, Part>(store: Store<T>, select: (value: T) => Part): Part {
  const [, render] = useReducer((count: number) => count + 1, 0);
  const selected = select(store.value);
  const seen = useRef({ selected, select });
  seen.current = { selected, select };
  useEffect(() => {
    const look = (): void => {
      const { selected: before, select: current } = seen.current;
      if (!Object.is(before, current(store.value))) render(undefined);
    };
    // It may have changed between the rendering and now.
    look();
    return store.subscribe(look);
  }, [store]);
  return selected;
}

export interface Resource<T> {
  /** The data read last; it stays while it is read again. */
  readonly data: T | undefined;
  readonly problem: ApiProblem | undefined;
  readonly loading: boolean;
  readonly reload: () => void;
}

export interface ResourceOptions {
  /** Is read again after these events. */
  readonly on?: readonly EventName[];
  readonly everyS?: number;
}

const AFTER_EVENT_MS = 500;

/** An answer of the daemon for as long as a view shows it: read again when the link is back. `undefined` as path: nothing yet. */
export function useResource<T>(
  path: string | undefined,
  query: Query = {},
  { on = [], everyS }: ResourceOptions = {},
): Resource<T> {
  const { daemon } = usePage();
  const epoch = useStore(daemon.epoch);
  const [turn, again] = useReducer((count: number) => count + 1, 0);
  const address = path === undefined ? undefined : daemon.client.urlOf(path, query);
  const [state, setState] = useState<{ address?: string | undefined; data?: T; problem?: ApiProblem }>({});
  const [loading, setLoading] = useState(true);

  useEffect(() => {
    // Before the session is known every answer would be a refusal.
    if (path === undefined || epoch === 0) return;
    const left = new AbortController();
    setLoading(true);
    daemon.client.get<T>(path, query, left.signal).then(
      (data) => {
        setState({ address, data });
        setLoading(false);
      },
      (error: unknown) => {
        if (left.signal.aborted) return;
        setState((before) => ({
          ...(before.address === address ? before : {}),
          address,
          problem: asProblem(error),
        }));
        setLoading(false);
      },
    );
    return () => left.abort();
  }, [address, epoch, turn]);

  const events = on.join();
  useEffect(() => {
    if (events === '') return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const soon = (): void => {
      timer ??= setTimeout(() => {
        timer = undefined;
        again(undefined);
      }, AFTER_EVENT_MS);
    };
    const ends = (events.split(',') as EventName[]).map((name) => daemon.bus.on(name, soon));
    return () => {
      clearTimeout(timer);
      for (const end of ends) end();
    };
  }, [events]);

  useEffect(() => {
    if (everyS === undefined) return;
    const timer = setInterval(() => {
      if (!document.hidden && daemon.link.value.state === 'live') again(undefined);
    }, everyS * 1000);
    return () => clearInterval(timer);
  }, [everyS]);

  const { data, problem } = state;
  return { data, problem, loading, reload: () => again(undefined) };
}

/** A value that has not changed for a while: a request for each letter of a search would be one too many. */
export function useSettled<T>(value: T, ms: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}

/** The width of an element in whole pixels; 0 before it is known. */
export function useWidth<T extends HTMLElement>(): readonly [(element: T | null) => void, number] {
  const [element, setElement] = useState<T | null>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    if (element === null) return;
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry!.contentRect.width)));
    observer.observe(element);
    return () => observer.disconnect();
  }, [element]);
  return [setElement, width];
}

/** Whether the window is as wide as a phone: tables are lists then. */
export function useNarrow(): boolean {
  const [narrow, setNarrow] = useState(() => matchMedia('(max-width: 700px)').matches);
  useEffect(() => {
    const media = matchMedia('(max-width: 700px)');
    const look = (): void => setNarrow(media.matches);
    media.addEventListener('change', look);
    return () => media.removeEventListener('change', look);
  }, []);
  return narrow;
}
