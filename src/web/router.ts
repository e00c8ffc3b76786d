/** The views, by the first part of their path. Names of sensors stand in the query: they may hold slashes and dots. */
const VIEWS = {
  '': 'overview',
  sensors: 'sensors',
  sensor: 'sensor',
  alerts: 'alerts',
  alert: 'alert',
  policies: 'policies',
  'dead-letters': 'dead-letters',
  setup: 'setup',
  login: 'login',
} as const;

export type ViewName = (typeof VIEWS)[keyof typeof VIEWS] | 'unknown';

export interface Route {
  readonly view: ViewName;
  /** The parameters of the query, each once. */
  readonly query: Readonly<Record<string, string>>;
}

/** `/base/` for whatever the document's base is: a path that begins and ends with a slash. */
export function basePathOf(baseUri: string): string {
  const { pathname } = new URL(baseUri);
  return pathname.slice(0, pathname.lastIndexOf('/') + 1);
}

export function parseRoute(pathname: string, search: string, base: string): Route {
  const query: Record<string, string> = {};
  for (const [key, value] of new URLSearchParams(search)) query[key] ??= value;
  const inside = `${pathname}/`.startsWith(base) ? pathname.slice(base.length) : pathname.slice(1);
  const name = inside.replace(/\/+$/, '');
  return { view: Object.hasOwn(VIEWS, name) ? VIEWS[name as keyof typeof VIEWS] : 'unknown', query };
}

/** The address of a view, with those parameters that have a value. */
export function hrefOf(
  view: Exclude<ViewName, 'unknown'>,
  query: Readonly<Record<string, string | number | null | undefined>>,
  base: string,
): string {
  const path = view === 'overview' ? '' : view;
  const search = searchOf(query);
  return `${base}${path}${search}`;
}

/** Names as one parameter: a comma within a name separates none. */
export const textOfNames = (names: readonly string[]): string =>
  names.length === 0 ? ',' : names.map((name) => name.replace(/[%,]/g, encodeURIComponent)).join(',');

export const namesOfText = (text: string): readonly string[] =>
  text
    .split(',')
    .filter((name) => name !== '')
    .map((name) => name.replace(/%(?:25|2C)/gi, decodeURIComponent));

/** `?a=1&b=2`, or nothing. */
export function searchOf(
  query: Readonly<Record<string, string | number | boolean | null | undefined>>,
): string {
  const parameters = new URLSearchParams();
  for (const [key, value] of Object.entries(query))
    if (value !== undefined && value !== null && value !== '') parameters.append(key, String(value));
  const text = parameters.toString();
  return text === '' ? '' : `?${text}`;
}
