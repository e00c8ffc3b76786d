import { aliasOf } from '../core/ingest/mapping/alias.ts';
import { type Doc, isObject, own, pointerTo } from '../core/ingest/mapping/document.ts';
import { singleValueKey } from '../core/ingest/mapping/quantity.ts';
import { namedUnit } from '../core/ingest/mapping/unit-text.ts';
import { isNumericText } from '../core/ingest/mapping/value.ts';
import type { FieldConfig } from '../core/ingest/route-config.ts';

const MAX_FIELDS = 50;
const MAX_LEVELS = 3;
type FieldUnit = NonNullable<FieldConfig['unit']>;

/** Units that a name ends with; the rest of it is the metric. */
const SUFFIXES: readonly (readonly [RegExp, FieldUnit])[] = [
  [/_(?:f|degf|degree_f)$/i, 'F'],
  [/_(?:c|degc|degree_c)$/i, 'C'],
  [/_(?:hpa|mbar)$/i, 'hPa'],
  [/_kpa$/i, 'kPa'],
  [/_inhg$/i, 'inHg'],
  [/_mmhg$/i, 'mmHg'],
  [/_psi$/i, 'psi'],
];
const NO_QUANTITY =
  /(?:version|firmware|^fw|serial|imei|imsi|iccid|IMEI|IMSI|ICCID|mac|^ip|ssid|eui|addr(?:ess)?|phone|code|^data|^raw|_?hex|(?:^|_)id)$|I[dD]$/;

interface Place {
  readonly path: readonly string[];
  /** The path of the value itself, where `path` is an object that describes it. */
  readonly value: readonly string[];
  readonly unit: FieldUnit | undefined;
}

/**
 * Values that a route takes in `fields` only, or under a better name: text that holds a number in every record, and
 * objects of a value with its unit. `base`: where the metrics are.
 */
export function textFields(
  records: readonly Doc[],
  base: string | undefined,
  isNoMetric: (key: string) => boolean,
): Record<string, FieldConfig> | undefined {
  const roots = records.flatMap((record) => {
    const root = base === undefined ? record : own(record, base);
    return isObject(root) ? [root] : [];
  });
  const start = base === undefined ? [] : [base];
  const places = walk(roots, [], isNoMetric).slice(0, MAX_FIELDS);
  const short = places.map(shortName);
  const taken = new Set(roots.flatMap((root) => Object.keys(root)));
  const fields = places.map((place, at) => {
    const { name, unit } = short[at] ?? { name: '', unit: undefined };
    const isAlone = short.filter((other) => other.name === name).length === 1;
    const whole = place.path.join('_');
    const path = [...start, ...place.value].map(pointerTo).join('');
    const isFree = isAlone && (name === whole || !taken.has(name));
    return [isFree ? name : whole, unit === undefined ? { path } : { path, unit }] as const;
  });
  return fields.length === 0 ? undefined : Object.fromEntries(fields);
}

function walk(
  records: readonly Doc[],
  path: readonly string[],
  isNoMetric: (key: string) => boolean,
): Place[] {
  const keys = [...new Set(records.flatMap((record) => Object.keys(record)))];
  return keys.flatMap((key): Place[] => {
    if (isNoMetric(key) || NO_QUANTITY.test(key)) return [];
    const values = records
      .map((record) => own(record, key))
      .filter((value) => value !== undefined && value !== null);
    const here = [...path, key];
    if (values.length === 0) return [];
    if (values.every(isCode)) return [];
    if (values.every((value) => typeof value === 'string' && isNumericText(value.trim())))
      // A well-known name takes text as it is.
      return path.length === 0 && aliasOf(key) !== undefined
        ? []
        : [{ path: here, value: here, unit: undefined }];
    if (!values.every(isObject)) return [];
    const valueKeys = new Set(values.map((value) => singleValueKey(value, isNoMetric)));
    const [valueKey] = valueKeys;
    if (valueKeys.size === 1 && valueKey !== undefined)
      return [{ path: here, value: [...here, valueKey], unit: siblingUnit(values) }];
    return here.length < MAX_LEVELS ? walk(values, here, isNoMetric) : [];
  });
}

/** Numbers are not written with zeros in front: `0167` is bytes, or the number of a thing. */
const isCode = (value: unknown): boolean => typeof value === 'string' && /^0\d+$/.test(value.trim());

function siblingUnit(values: readonly Doc[]): FieldUnit | undefined {
  const texts = new Set(values.map((value) => own(value, 'unit') ?? own(value, 'u') ?? own(value, 'uom')));
  const [text] = texts;
  const unit = texts.size === 1 ? namedUnit(text)?.unit : undefined;
  return unit === 'C' || unit === 'hPa' ? undefined : unit;
}

function shortName({ path, unit }: Place): { readonly name: string; readonly unit: FieldUnit | undefined } {
  const whole = path.join('_');
  const alias = path.length === 1 ? aliasOf(whole) : undefined;
  if (alias !== undefined && alias.convert === undefined) return { name: alias.name, unit };
  if (unit !== undefined) return { name: whole, unit };
  const [suffix, named] = SUFFIXES.find(([pattern]) => pattern.test(whole)) ?? [];
  if (suffix === undefined) return { name: whole, unit };
  const stripped = whole.replace(suffix, '');
  return { name: (path.length === 1 ? aliasOf(stripped)?.name : undefined) ?? stripped, unit: named };
}
