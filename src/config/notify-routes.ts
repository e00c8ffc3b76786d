import { MuteTimes, type NamedTime } from '../core/notify/mute-times.ts';
import { catchesAll, type Route, type RouteSettings } from '../core/notify/routes.ts';
import type { RouteEntry } from './schema/notify-routes.ts';

/** The part of `notify` that decides what goes where. */
export interface NotifyEntries {
  readonly sinks: readonly { readonly name: string }[];
  readonly routes?: readonly RouteEntry[] | undefined;
  readonly times: Readonly<Record<string, NamedTime>>;
}

const TOP: RouteSettings = { to: [], active: [], mute: [], escalate: [] };

/** The tree with everything inherited; undefined: each sink is a route of its own. */
export const routesOf = ({ routes }: Pick<NotifyEntries, 'routes'>): readonly Route[] | undefined =>
  routes?.map((entry, index) => routeOf(entry, TOP, `notify.routes[${index}]`));

function routeOf(entry: RouteEntry, around: RouteSettings, place: string): Route {
  const own: RouteSettings = {
    to: entry.to ?? around.to,
    active: entry.active ?? around.active,
    mute: entry.mute ?? around.mute,
    groupBy: entry.group_by ?? around.groupBy,
    groupWaitMs: entry.group_wait ?? around.groupWaitMs,
    groupIntervalMs: entry.group_interval ?? around.groupIntervalMs,
    repeatMs: entry.repeat_interval ?? around.repeatMs,
    // What sends nothing escalates nothing, unless it says so itself.
    escalate:
      entry.escalate?.map(({ after, to }) => ({ afterMs: after, to })) ??
      (entry.to?.length === 0 ? [] : around.escalate),
  };
  return {
    ...own,
    place,
    match: entry.match,
    minSeverity: entry.min_severity,
    continues: entry.continue,
    routes: entry.routes.map((nested, index) => routeOf(nested, own, `${place}.routes[${index}]`)),
  };
}

export interface NotifyFault {
  /** Below `notify`. */
  readonly path: readonly (string | number)[];
  readonly message: string;
}

const MAX_DEPTH = 8;

/** Faults that the keys of a route alone do not show: names that lead nowhere, and routes that never send. */
export function notifyFaults(notify: NotifyEntries): readonly NotifyFault[] {
  const known: Known = {
    sinks: notify.sinks.map(({ name }) => name),
    times: Object.keys(notify.times),
  };
  const unknown = entriesOf(notify.routes ?? [], ['routes']).flatMap((entry) => faultsOf(entry, known));
  return unknown.length > 0 ? unknown : neverSending(notify);
}

interface Known {
  readonly sinks: readonly string[];
  readonly times: readonly string[];
}

interface PlacedEntry {
  readonly entry: RouteEntry;
  readonly path: readonly (string | number)[];
}

function entriesOf(entries: readonly RouteEntry[], path: PlacedEntry['path']): PlacedEntry[] {
  return entries.flatMap((entry, index) => {
    const here = [...path, index];
    return [{ entry, path: here }, ...entriesOf(entry.routes, [...here, 'routes'])];
  });
}

function faultsOf({ entry, path }: PlacedEntry, { sinks, times }: Known): NotifyFault[] {
  const faults: NotifyFault[] = [];
  const check = (
    names: readonly string[],
    known: readonly string[],
    what: string,
    key: NotifyFault['path'],
  ) => {
    for (const name of names)
      if (!known.includes(name))
        faults.push({ path: [...path, ...key], message: `no ${what} is called "${name}"${listOf(known)}` });
  };
  check(entry.to ?? [], sinks, 'sink', ['to']);
  entry.escalate?.forEach(({ to }, index) => check(to, sinks, 'sink', ['escalate', index, 'to']));
  check(entry.active ?? [], times, 'time', ['active']);
  check(entry.mute ?? [], times, 'time', ['mute']);
  if (path.length === 2 && entry.to === undefined)
    faults.push({
      path: [...path, 'to'],
      message: 'is missing: name sinks, or give [] to send its alerts nowhere',
    });
  if (path.length > 2 * MAX_DEPTH)
    faults.push({ path: [...path], message: `routes are nested more than ${MAX_DEPTH} deep` });
  return faults;
}

const listOf = (known: readonly string[]) => (known.length === 0 ? '' : `; known: ${known.join(', ')}`);

/** Any week shows it: times recur weekly. */
const SOME_WEEK_MS = Date.UTC(2026, 0, 5);

function neverSending({ routes, times }: NotifyEntries): NotifyFault[] {
  const muteTimes = new MuteTimes(times);
  return flatten(routesOf({ routes }) ?? []).flatMap((route) =>
    route.to.length > 0 && muteTimes.mutedUntilMs(route, SOME_WEEK_MS) === Infinity
      ? [{ path: pathOf(route.place), message: 'never sends: its times mute it at all times' }]
      : [],
  );
}

const flatten = (routes: readonly Route[]): readonly Route[] =>
  routes.flatMap((route) => [route, ...flatten(route.routes)]);

const pathOf = (place: string): (string | number)[] =>
  [...place.matchAll(/(\w+)\[(\d+)\]/g)].flatMap(([, name = '', index]) => [name, Number(index)]);

/** Settings that are valid and probably not intended. */
export function routeWarnings(notify: NotifyEntries): readonly string[] {
  const routes = routesOf(notify);
  if (routes === undefined) return [];
  const warnings: string[] = [];
  if (!catchesAll(routes))
    warnings.push(
      'notify.routes: an alert that no route matches is not sent; end the list with a route without match, with to: [] if that is intended',
    );
  const last = routes.findIndex((route) => catchesAll([route]) && !route.continues);
  if (last >= 0 && last < routes.length - 1)
    warnings.push(`notify.routes[${last}] matches every alert: the routes behind it are never reached`);
  const used = new Set(
    flatten(routes).flatMap(({ to, escalate }) => [...to, ...escalate.flatMap((each) => each.to)]),
  );
  for (const { name } of notify.sinks)
    if (!used.has(name)) warnings.push(`notify: no route leads to the sink "${name}"`);
  return warnings;
}
