import { aliasOf } from '../core/ingest/mapping/alias.ts';
import { type Doc, isObject, lookup, own, pointer } from '../core/ingest/mapping/document.ts';
import { type NamedUnit, namedUnit } from '../core/ingest/mapping/unit-text.ts';
import type { Observed } from '../core/ingest/preset/samples.ts';
import type { FieldConfig, RouteConfig } from '../core/ingest/route-config.ts';
import { type Captures, parseTopicPattern, topicList } from '../core/ingest/topic.ts';
import { groupedBy } from '../core/grouped.ts';

type FieldUnit = NonNullable<FieldConfig['unit']>;
type Fields = Readonly<Record<string, FieldConfig>>;

const CANONICAL: ReadonlySet<FieldUnit> = new Set(['C', 'hPa']);
const UNIT_KEYS = ['unit', 'units', 'u', 'uom'];
const VALUE_KEYS = ['value', 'val', 'v'];
/** One or two cells, and the same in mV: no battery shows so few percent for long, and with fractions. */
const BATTERIES = [
  { from: 1.5, to: 4.5, name: 'battery_voltage' },
  { from: 1500, to: 4500, name: 'battery_mv' },
] as const;
const VOLTS = 'battery is in volts, as its values say: it becomes battery_voltage';
const HINT = 'devices state different units: those that differ from most have routes of their own';
const MIXED =
  'one topic carries values of different units, which a route cannot distinguish: they are left out';

/** True for a topic level that names a unit. */
export const isUnit = (level: string): boolean => namedUnit(level) !== undefined;

const siblingUnit = (node: Doc): NamedUnit | undefined =>
  namedUnit(UNIT_KEYS.map((key) => own(node, key)).find(Boolean));
const unitField = ({ unit }: NamedUnit): FieldConfig => (CANONICAL.has(unit) ? {} : { unit });

/** A route with the units stated in its samples; `hints` are for the operator. */
export interface UnitRoute {
  readonly route: RouteConfig;
  readonly hints: readonly string[];
}

/** Units stated by all the messages of one topic. */
interface Stated {
  readonly topic: string;
  readonly captures: Captures;
  readonly fields: Fields;
  /** Batteries whose values are volts, by the names as sent: what to call them. */
  readonly names: Readonly<Record<string, string>>;
  /** Keys at the top whose unit changes from message to message. */
  readonly mixed: readonly string[];
}

/** One route, or several where the unit of a metric differs from topic to topic. `samples`: those that the route reads. */
export function byStatedUnits(route: RouteConfig, samples: readonly Observed[]): UnitRoute[] {
  const stated = [...groupedBy(samples, ({ topic }) => topic)].flatMap(([topic, list]) =>
    statedOf(route, topic, list),
  );
  const mixed = [...new Set(stated.flatMap((one) => one.mixed))];
  if (mixed.length > 0) return [{ route: without(route, mixed), hints: [MIXED] }];
  const groups = [...groupedBy(stated, ({ captures }) => captures.get('metric') ?? '').values()];
  const common = groups.map(majorityOf);
  const others = groups.flatMap((group, at) => group.filter((one) => common[at]?.includes(one) !== true));
  const main = withFound(
    route,
    common.flatMap((list) => list.slice(0, 1)),
  );
  const literals = others.map((one) => withFound(literal(route, one), [one]));
  return [...literals, { ...main, hints: others.length === 0 ? main.hints : [...main.hints, HINT] }];
}

function withFound(route: RouteConfig, found: readonly Stated[]): UnitRoute {
  const fields = { ...route.fields };
  for (const one of found)
    for (const [name, field] of Object.entries(one.fields)) if (!isUsual(name, field)) fields[name] = field;
  const names = Object.assign({}, ...found.map((one) => one.names)) as Record<string, string>;
  return {
    route: {
      ...route,
      ...(Object.keys(fields).length === 0 ? {} : { fields }),
      ...(Object.keys(names).length === 0 ? {} : { metric_map: { ...route.metric_map, ...names } }),
    },
    hints: Object.keys(names).length === 0 ? [] : [VOLTS],
  };
}

/** The default of a route: a well-known name in its usual unit. */
const isUsual = (name: string, { path, unit }: FieldConfig): boolean =>
  unit === undefined && (path === undefined || nameOf(path.slice(1)) === name);

/** The topics that state what most of them state; of equals those that need no conversion. */
function majorityOf(group: readonly Stated[]): readonly Stated[] {
  const alike = [...groupedBy(group, ({ fields, names }) => JSON.stringify([fields, names])).values()];
  const isPlain = ([one]: readonly Stated[]): boolean =>
    Object.keys(one?.names ?? {}).length === 0 &&
    !Object.values(one?.fields ?? {}).some(({ unit }) => unit !== undefined);
  return alike.sort((a, b) => b.length - a.length || Number(isPlain(b)) - Number(isPlain(a)))[0] ?? [];
}

function statedOf(route: RouteConfig, topic: string, samples: readonly Observed[]): Stated[] {
  const captures = capturesOf(route, topic);
  if (captures === undefined) return [];
  const level = levelUnit(route, topic, captures);
  const documents = samples.flatMap(({ document }) => (document === undefined ? [] : [document]));
  const found = [
    ...(level === undefined ? [] : [level]),
    ...documents.map((document) => fieldsOf(route, document, captures)),
  ];
  const distinct = new Map(found.map((fields) => [JSON.stringify(fields), fields]));
  const [fields = {}] = distinct.values();
  const mixed = distinct.size > 1 ? differing([...distinct.values()]) : [];
  return [{ topic, captures, fields, names: batteries(captures, samples), mixed }];
}

/** Keys at the top of the payload under which the units of one topic differ. */
function differing(all: readonly Fields[]): string[] {
  const names = new Set(all.flatMap((fields) => Object.keys(fields)));
  return [...names].flatMap((name) => {
    const units = new Set(
      all.flatMap((fields) => (fields[name] === undefined ? [] : [fields[name].unit ?? ''])),
    );
    const path = all.map((fields) => fields[name]?.path).find((one) => one !== undefined);
    return units.size > 1 ? [path === undefined ? name : (pointer(path).keys[0] ?? name)] : [];
  });
}

function capturesOf(route: RouteConfig, topic: string): Captures | undefined {
  for (const text of topicList(route.topic)) {
    const parsed = parseTopicPattern(text);
    const captures = parsed.ok ? parsed.pattern.match(topic) : undefined;
    if (captures !== undefined) return captures;
  }
  return undefined;
}

function batteries(captures: Captures, samples: readonly Observed[]): Record<string, string> {
  const values = new Map<string, number[]>();
  const metric = captures.get('metric');
  for (const { content, document, payload } of samples) {
    const named: Doc =
      document ??
      (metric === undefined
        ? {}
        : { [metric]: content.kind === 'number' ? Number(new TextDecoder().decode(payload)) : undefined });
    for (const [key, value] of Object.entries(named))
      if (typeof value === 'number' && nameOf(key) === 'battery' && aliasOf(key)?.convert === undefined)
        values.set(key, [...(values.get(key) ?? []), value]);
  }
  return Object.fromEntries(
    [...values].flatMap(([key, list]) => {
      const found = BATTERIES.find(({ from, to }) => list.every((value) => value >= from && value <= to));
      const isFractional = found?.name === 'battery_mv' || list.some((value) => !Number.isInteger(value));
      return found === undefined || !isFractional ? [] : [[key, found.name]];
    }),
  );
}

/** The unit behind the metric in the topic: `n1/temp/F`. */
function levelUnit({ topic: text }: RouteConfig, topic: string, captures: Captures): Fields | undefined {
  const [pattern = ''] = topicList(text);
  const metric = captures.get('metric');
  const last = topic.split('/').at(-1) ?? '';
  if (metric === undefined || pattern.split('/').at(-1) !== last) return undefined;
  const unit = namedUnit(last);
  return unit === undefined ? undefined : { [nameOf(metric)]: unitField(unit) };
}

const nameOf = (metric: string): string => aliasOf(metric)?.name ?? metric;

/** The fields of a route that a document makes certain. */
function fieldsOf(route: RouteConfig, document: Doc, captures: Captures): Fields {
  const fields: Record<string, FieldConfig> = {};
  for (const [name, field] of Object.entries(route.fields ?? {})) {
    const path = field.path === undefined ? undefined : pointer(field.path);
    const parent = path && lookup(document, { ...path, keys: path.keys.slice(0, -1) });
    const unit = isObject(parent) && parent !== document ? siblingUnit(parent) : undefined;
    if (unit !== undefined) fields[name] = { path: field.path, ...unitField(unit) };
  }
  const unit = siblingUnit(document);
  if (unit === undefined || route.pivot !== undefined || route.metrics_path !== undefined) return fields;
  const metric = captures.get('metric') ?? route.metric;
  const key = Object.keys(document).find((one) => VALUE_KEYS.includes(one.toLowerCase()));
  const alias = Object.keys(document).find(
    (one) => nameOf(one) === unit.quantity && aliasOf(one)?.convert === undefined,
  );
  if (metric !== undefined && key !== undefined) fields[nameOf(metric)] = unitField(unit);
  else if (key !== undefined) fields[unit.quantity] = { path: `/${key}`, ...unitField(unit) };
  else if (alias !== undefined) fields[unit.quantity] = { path: `/${alias}`, ...unitField(unit) };
  return fields;
}

/** The route for one topic alone; its device and metric are what the pattern made of them. */
function literal(route: RouteConfig, { topic, captures }: Stated): RouteConfig {
  const device = route.device ?? (captures.has('device') ? '{device}' : undefined);
  const filled = device?.replace(
    /\{(\w+)(?:\.\.\.)?\}/g,
    (whole, name: string) => captures.get(name) ?? whole,
  );
  const metric = captures.get('metric');
  return {
    ...route,
    topic,
    ...(metric === undefined ? {} : { metric }),
    ...(filled === undefined ? {} : { device: filled }),
  };
}

function without(route: RouteConfig, keys: readonly string[]): RouteConfig {
  const { fields = {}, ...rest } = route;
  const kept = Object.entries(fields).filter(
    ([name, { path }]) => !keys.includes(path === undefined ? name : (pointer(path).keys[0] ?? name)),
  );
  return {
    ...rest,
    ...(kept.length === 0 ? {} : { fields: Object.fromEntries(kept) }),
    skip: [...(route.skip ?? []), ...keys],
  };
}
