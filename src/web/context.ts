import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import { createTimeFormat, type TimeFormat } from './format/time.ts';
import { Announcer } from './live/announcer.ts';
import { Daemon } from './live/daemon.ts';
import { Store } from './live/store.ts';
import { Navigation } from './navigation.ts';
import { ThemeChoice } from './theme.ts';
import { Toasts } from './toasts.ts';

/** One of each, for all views. */
export interface Page {
  readonly daemon: Daemon;
  readonly navigation: Navigation;
  readonly theme: ThemeChoice;
  readonly toasts: Toasts;
  readonly announcer: Announcer;
  readonly time: TimeFormat;
  /** Milliseconds by the clock of the daemon, every second. */
  readonly now: Store<number>;
  /** State that a view keeps until it is opened again. */
  readonly kept: Map<string, unknown>;
}

export function createPage(): Page {
  const navigation = new Navigation();
  const daemon = new Daemon(navigation.base);
  const announcer = new Announcer(daemon, (id) => navigation.go(navigation.href('alert', { id })));
  const now = new Store(Date.now());
  setInterval(() => {
    if (!document.hidden) now.set(daemon.nowMs());
  }, 1000);
  document.addEventListener('visibilitychange', () => {
    daemon.background(document.hidden, announcer.wanted);
    now.set(daemon.nowMs());
  });
  return {
    daemon,
    navigation,
    announcer,
    now,
    theme: new ThemeChoice(),
    toasts: new Toasts(),
    time: createTimeFormat(),
    kept: new Map(),
  };
}

export const PageContext = createContext<Page | undefined>(undefined);

export function usePage(): Page {
  const page = useContext(PageContext);
  if (page === undefined) throw new Error('outside of the page');
  return page;
}
