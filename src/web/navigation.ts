import { Store } from './live/store.ts';
import { type Route, type ViewName, basePathOf, hrefOf, parseRoute } from './router.ts';

export type Parameters = Readonly<Record<string, string | number | null | undefined>>;
export type LinkedView = Exclude<ViewName, 'unknown'>;

/** The address of the page: which view is open, and with what. */
export class Navigation {
  readonly base = basePathOf(document.baseURI);
  readonly route: Store<Route>;

  constructor() {
    this.route = new Store(this.#here());
    addEventListener('popstate', () => this.route.set(this.#here()));
  }

  href(view: LinkedView, query: Parameters = {}): string {
    return hrefOf(view, query, this.base);
  }

  /** `alerts?state=open` of an answer of the daemon: an address below the base, or nothing where it leads elsewhere. */
  hrefOfLink(link: string): string | undefined {
    const url = new URL(link, `${location.origin}${this.base}`);
    return url.origin === location.origin && url.pathname.startsWith(this.base)
      ? url.pathname + url.search
      : undefined;
  }

  /** Another view: a step that the browser's button goes back. */
  go(href: string): void {
    if (href === location.pathname + location.search) return;
    history.pushState(null, '', href);
    this.route.set(this.#here());
    scrollTo(0, 0);
  }

  /** Replaces the parameters of the view: going back leaves the view. */
  change(query: Parameters): void {
    const { view, query: before } = this.route.value;
    if (view === 'unknown') return;
    const href = this.href(view, { ...before, ...query });
    if (href === location.pathname + location.search) return;
    history.replaceState(null, '', href);
    this.route.set(this.#here());
  }

  #here(): Route {
    return parseRoute(location.pathname, location.search, this.base);
  }
}
