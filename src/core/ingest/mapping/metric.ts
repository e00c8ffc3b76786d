import { MetricValues } from '../../metric-values.ts';
import { CORE_METRICS } from '../../reading.ts';
import { aliasOf } from './alias.ts';
import { arrayValues, holdsNumber, isMeasured, isSampled } from './array.ts';
import { type Doc, isForbiddenKey, isObject, lookup } from './document.ts';
import { type Field, fieldNumber, withinBounds } from './field.ts';
import { LossTally } from './losses.ts';
import { type Plausible, keepPlausible, plausibility } from './plausible.ts';
import type { Convert } from './unit.ts';
import { extraNumber, mappedNumber } from './value.ts';

const MAX_NAME_CHARS = 128;
const MAX_REMEMBERED_KEYS = 4096;
const KEYS_PER_METRIC = 16;

export interface MetricOptions {
  readonly fields: readonly Field[];
  /** The sender's name -> ours; the alias table is applied to the new name. */
  readonly metricMap: ReadonlyMap<string, string>;
  /** False: only aliases and fields. */
  readonly extras: boolean;
  /** Top-level keys that are no metrics. */
  readonly skip: ReadonlySet<string>;
  /** Keys of identity and time in lower case: they are no metrics in any case (D6'). */
  readonly identity: ReadonlySet<string>;
  /** Deeper places that are no metrics, as pointer text from the metrics object. */
  readonly skipPaths: ReadonlySet<string>;
  readonly maxMetrics: number;
}

/** Treatment of a top-level key; worked out once per key. */
type Target =
  | { readonly kind: 'skip' }
  | { readonly kind: 'bad' }
  | {
      readonly kind: 'metric';
      readonly name: string;
      /** Mapped: numeric strings count and booleans do not (D4). */
      readonly mapped: boolean;
      /** Lower wins among keys for the same name. */
      readonly rank: number;
      readonly convert: Convert | undefined;
      readonly bounds: Field | undefined;
    };

/** Values of the keys for one name, and the rank of the best of them. */
interface Claims {
  readonly values: number[];
  rank: number;
}

const SKIP: Target = { kind: 'skip' };
const BAD: Target = { kind: 'bad' };
const CORE: ReadonlySet<string> = new Set(CORE_METRICS);

/** The metrics of one record while they are gathered. */
export class MetricSink {
  readonly metrics = new MetricValues();
  losses: LossTally | undefined;
  /** More than `max_metrics`: gathering has stopped. */
  overflow = false;
  /** Names that several top-level keys claim. */
  contested: Set<string> | undefined;
  /** Whether the arrays of the record are samples: its keys are checked once, however many arrays it has. */
  sampled: boolean | undefined;

  drop(name: string): void {
    (this.losses ??= new LossTally()).drop(name);
  }

  replace(name: string): void {
    (this.losses ??= new LossTally()).replace(name);
  }
}

/** Converts an object into named numbers: fields, aliases, extras (D2-D4, D9). */
export class MetricPlan {
  private readonly options: MetricOptions;
  private readonly targets = new Map<string, Target>();
  private readonly located: readonly Field[];
  private readonly named: ReadonlyMap<string, Field>;
  private readonly plausible: Plausible;

  constructor(options: MetricOptions) {
    this.options = options;
    this.located = options.fields.filter((field) => field.path !== undefined);
    this.named = new Map(options.fields.map((field) => [field.name, field]));
    this.plausible = plausibility(options.fields);
  }

  collect(source: Doc, record: Doc): MetricSink {
    const sink = new MetricSink();
    for (const field of this.located) this.addField(field, source, record, sink);
    const keys = Object.keys(source);
    // Not even with all the texts and nulls that a record may hold in addition to its metrics: no record, but a bomb.
    sink.overflow = keys.length > KEYS_PER_METRIC * this.options.maxMetrics;
    for (const key of keys) {
      if (sink.overflow) return sink;
      this.addKey(key, source, sink);
    }
    if (sink.overflow) return sink;
    if (sink.contested !== undefined) this.resolveContested(sink.contested, source, sink);
    const implausible = keepPlausible(sink.metrics, this.plausible);
    if (implausible !== undefined) for (const name of implausible) sink.drop(name);
    return sink;
  }

  private addField(field: Field, source: Doc, record: Doc, sink: MetricSink): void {
    const path = field.path;
    const raw = path && (lookup(source, path) ?? (record === source ? undefined : lookup(record, path)));
    if (raw === undefined || raw === null) return;
    const value = fieldNumber(field, raw);
    if (value === undefined) sink.drop(field.name);
    else this.put(field.name, value, sink);
  }

  private addKey(key: string, source: Doc, sink: MetricSink): void {
    const raw = source[key];
    const target = this.targets.get(key) ?? this.remember(key);
    if (target.kind === 'skip' || raw === null || raw === undefined) return;
    if (typeof raw === 'object') {
      if (Array.isArray(raw)) this.addArray(key, target, source, sink);
      else if (isForbiddenKey(key)) {
        if (holdsNumber(raw)) sink.drop(key);
      } else if (this.options.extras && isObject(raw)) this.flatten(key, `/${key}`, raw, sink);
      return;
    }
    if (target.kind === 'bad') {
      if (isMeasured(raw)) sink.drop(key);
      return;
    }
    const value = valueFor(target, raw);
    if (value === undefined) {
      if (target.mapped || isMeasured(raw)) sink.drop(key);
      return;
    }
    const before = sink.metrics.size;
    this.put(target.name, value, sink);
    // One Map access instead of two: the name existed already, and `resolveContested` decides between the values.
    if (sink.metrics.size === before) (sink.contested ??= new Set()).add(target.name);
  }

  private addArray(key: string, target: Target, source: Doc, sink: MetricSink): void {
    const items = source[key] as readonly unknown[];
    const isTaken = target.kind === 'metric';
    const values =
      isTaken && !(sink.sampled ??= isSampled(source))
        ? arrayValues(items, (item) => valueFor(target, item))
        : undefined;
    if (values !== undefined && isTaken) this.expand(target.name, `/${key}`, values, sink);
    else if (target.kind !== 'skip' && holdsNumber(items)) sink.drop(key);
  }

  /** D3': `<name>_1 … <name>_n`. An array that has no room left costs itself, not the message. */
  private expand(
    name: string,
    path: string,
    values: readonly (number | undefined)[],
    sink: MetricSink,
  ): void {
    const fits =
      isMetricName(`${name}_${values.length}`) &&
      sink.metrics.size + values.length <= this.options.maxMetrics;
    if (!fits) return sink.drop(name);
    for (const [index, value] of values.entries()) {
      if (value === undefined || this.options.skipPaths.has(`${path}/${index}`)) continue;
      this.putNew(`${name}_${index + 1}`, value, sink);
    }
  }

  /** D3: nesting joined with `_`. Depth is bounded by the codec. */
  private flatten(prefix: string, path: string, node: Doc, sink: MetricSink): void {
    // A long prefix makes every name below it too long; stop before the strings cost more than the payload.
    if (prefix.length > 2 * MAX_NAME_CHARS) return sink.drop(prefix);
    let sampled: boolean | undefined;
    for (const key of Object.keys(node)) {
      if (sink.overflow) return;
      const raw = node[key];
      if (raw === null || raw === undefined) continue;
      const here = this.options.skipPaths.size === 0 ? '' : `${path}/${key}`;
      if (this.options.skipPaths.has(here)) continue;
      const name = `${prefix}_${key}`;
      if (isForbiddenKey(key)) {
        if (holdsNumber(raw)) sink.drop(name);
      } else if (isObject(raw)) this.flatten(name, here, raw, sink);
      else if (Array.isArray(raw)) {
        sampled ??= isSampled(node);
        const values = sampled ? undefined : arrayValues(raw, extraNumber);
        if (values !== undefined) this.expand(name, here, values, sink);
        else if (holdsNumber(raw)) sink.drop(name);
      } else this.addNested(name, raw, sink);
    }
  }

  private addNested(name: string, raw: unknown, sink: MetricSink): void {
    const value = extraNumber(raw);
    if (value === undefined) {
      if (isMeasured(raw)) sink.drop(name);
    } else if (isMetricName(name)) this.putNew(name, value, sink);
    else sink.drop(name);
  }

  /** A name that is there already keeps its value: what comes from further down does not replace it (D14'). */
  private putNew(name: string, value: number, sink: MetricSink): void {
    const known = sink.metrics.get(name);
    if (known === undefined) this.put(name, value, sink);
    else if (known !== value) sink.replace(name);
  }

  private put(name: string, value: number, sink: MetricSink): void {
    sink.metrics.set(name, value);
    if (sink.metrics.size > this.options.maxMetrics) sink.overflow = true;
  }

  /**
   * Several keys for one name: the best-ranked one with a value wins. One pass, however many names and keys. The
   * others are counted, except those that hold the same in another unit or with fewer digits.
   */
  private resolveContested(contested: ReadonlySet<string>, source: Doc, sink: MetricSink): void {
    const claims = new Map<string, Claims>();
    for (const key of Object.keys(source)) {
      const target = this.targets.get(key) ?? this.remember(key);
      if (target.kind !== 'metric' || !contested.has(target.name)) continue;
      const raw = source[key];
      const value = typeof raw === 'object' ? undefined : valueFor(target, raw);
      if (value === undefined) continue;
      let claim = claims.get(target.name);
      if (claim === undefined) claims.set(target.name, (claim = { values: [], rank: Infinity }));
      claim.values.push(value);
      if (target.rank >= claim.rank) continue;
      claim.rank = target.rank;
      sink.metrics.set(target.name, value);
    }
    for (const [name, { values }] of claims) {
      const kept = sink.metrics.get(name) ?? NaN;
      const others = values.filter((value) => Math.abs(value - kept) > Math.max(0.5, Math.abs(kept) / 100));
      // Only one claim: the other value came from an object or an array, and is lost.
      if (others.length > 0 || values.length === 1) sink.replace(name);
    }
  }

  private remember(key: string): Target {
    const target = this.targetOf(key);
    if (this.targets.size < MAX_REMEMBERED_KEYS && key.length <= MAX_NAME_CHARS)
      this.targets.set(key, target);
    return target;
  }

  private targetOf(key: string): Target {
    if (this.options.skip.has(key) || this.options.identity.has(key.toLowerCase())) return SKIP;
    const renamed = this.options.metricMap.get(key);
    const source = renamed ?? key;
    if (!isMetricName(source)) return BAD;
    const alias = aliasOf(source);
    const name = alias?.name ?? source;
    const field = this.named.get(name);
    // A field with a path locates the metric: no other key is it.
    if (field?.path !== undefined) return SKIP;
    const mapped = alias !== undefined || renamed !== undefined || field !== undefined;
    if (!mapped && !this.options.extras) return SKIP;
    // A declared unit replaces the one that the alias implies.
    const convert = field?.convert ?? alias?.convert;
    const rank = renamed !== undefined ? -2 : (alias?.rank ?? -1);
    return { kind: 'metric', name, mapped: mapped || CORE.has(name), rank, convert, bounds: field };
  }
}

function valueFor(target: Target & { kind: 'metric' }, raw: unknown): number | undefined {
  // Nearly always: a number in its canonical unit, without bounds. Adding zero turns -0 into 0 (D4).
  if (typeof raw === 'number' && target.convert === undefined && target.bounds === undefined)
    return Number.isFinite(raw) ? raw + 0 : undefined;
  const value = target.mapped ? mappedNumber(raw) : extraNumber(raw);
  if (value === undefined) return undefined;
  const converted = target.convert === undefined ? value : target.convert(value) + 0;
  if (target.bounds !== undefined && !withinBounds(target.bounds, converted)) return undefined;
  return Number.isFinite(converted) ? converted : undefined;
}

/** D3: no control characters, no lone surrogates, at most 128 characters; D9: no name that reaches a prototype. */
export function isMetricName(name: string): boolean {
  if (name === '' || name.length > 2 * MAX_NAME_CHARS || isForbiddenKey(name)) return false;
  if (name.length > MAX_NAME_CHARS && !/^.{1,128}$/su.test(name)) return false;
  return !/[\p{Cc}\p{Cs}]/u.test(name);
}
