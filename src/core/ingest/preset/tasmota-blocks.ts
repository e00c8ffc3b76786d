import { CORE_METRICS, coreSuffixOf } from '../../reading.ts';
import { type Range, type Ranges, joined, rangesOfPart } from '../datasheet.ts';
import { aliasOf } from '../mapping/alias.ts';
import { type Doc, emptyDoc, isForbiddenKey, isObject, own } from '../mapping/document.ts';
import { namedUnit } from '../mapping/unit-text.ts';
import { type Convert, type Unit, convertFrom } from '../mapping/unit.ts';
import { mappedNumber } from '../mapping/value.ts';

const CORE: ReadonlySet<string> = new Set(CORE_METRICS);
/** The temperature of a chip is not that of the room. */
const CHIPS = new Set(['ESP32', 'ENERGY']);

/** A sensor block with temperatures and pressures converted to canonical units; `units` names the sender's. */
export function splitBlock(block: Doc, units: Doc, skip: ReadonlySet<string>): Doc {
  const metrics = emptyDoc();
  for (const [key, value] of Object.entries(block))
    if (key !== 'Id' && !skip.has(key) && !isForbiddenKey(key)) metrics[key] = canonical(key, value, units);
  return metrics;
}

/**
 * All blocks as one reading: a core metric comes from the first block that has it; the rest is `<block>_<key>`, which
 * is what nesting becomes anyway (D3).
 */
export function joinedBlocks(
  blocks: readonly (readonly [string, Doc])[],
  units: Doc,
  others: Doc = emptyDoc(),
): Doc {
  const metrics = Object.assign(emptyDoc(), others);
  const claimed = new Set(Object.keys(others).map((key) => aliasOf(key)?.name ?? ''));
  for (const [name, block] of blocks) {
    const rest = emptyDoc();
    for (const [key, value] of Object.entries(splitBlock(block, units, NONE))) {
      const core = aliasOf(key)?.name ?? '';
      const isChip = core === 'temperature' && CHIPS.has(name);
      if (CORE.has(core) && !isChip && !claimed.has(core) && mappedNumber(value) !== undefined) {
        claimed.add(core);
        metrics[key] = value;
      } else rest[key] = value;
    }
    // The block's own name is free again for its rest unless a core metric is called like it.
    if (!Object.hasOwn(metrics, name)) metrics[name] = rest;
  }
  return metrics;
}

/** Whether among the joined metrics of a device there is one core metric twice: of the first block that has it, and of another. */
export function hasSecondBlock(metrics: ReadonlyMap<string, unknown>): boolean {
  return [...metrics.keys()].some((name) => {
    const [block = ''] = name.split('_', 1);
    return !CHIPS.has(block) && metrics.has(coreSuffixOf(name) ?? '');
  });
}

/** Measuring ranges of the parts that a core metric may come from; a part that is not known makes it uncertain. */
export function blockRanges(sensors: Doc): Ranges {
  const found: Record<string, Range | undefined> = {};
  for (const [name, block] of Object.entries(sensors)) {
    if (!isObject(block) || CHIPS.has(name)) continue;
    const ranges = rangesOfPart(name) ?? {};
    for (const key of Object.keys(block)) {
      const core = aliasOf(key)?.name;
      if (core === undefined || !CORE.has(core)) continue;
      found[core] = Object.hasOwn(found, core) ? joined(found[core], ranges[core]) : ranges[core];
    }
  }
  return Object.fromEntries(
    Object.entries(found).filter((entry): entry is [string, Range] => entry[1] !== undefined),
  );
}

const NONE: ReadonlySet<string> = new Set();

/** Members of a quantity whose unit the firmware states, by its list of JSON names and those of its drivers. */
const TEMPERATURES = /^(?:\w*Temperature\d*|DewPoint\d*|HeatIndex\d*|WetBulb\d*|WindChill\d*)$/;
const PRESSURES = /^\w*Pressure\d*$/;

/** In canonical units, also where several values are an array, or an object of their own. */
function canonical(key: string, value: unknown, units: Doc): unknown {
  if (isObject(value)) return splitBlock(value, units, NONE);
  const convert = conversionOf(key, units);
  if (convert === undefined) return value;
  const converted = (one: unknown): unknown => {
    const number = mappedNumber(one);
    return number === undefined ? one : convert(number);
  };
  return Array.isArray(value) ? (value as unknown[]).map(converted) : converted(value);
}

function conversionOf(key: string, units: Doc): Convert | undefined {
  const [quantity, stated] = TEMPERATURES.test(key)
    ? (['temperature', own(units, 'TempUnit')] as const)
    : PRESSURES.test(key)
      ? (['pressure', own(units, 'PressureUnit')] as const)
      : [];
  const named = namedUnit(stated);
  return named === undefined || named.quantity !== quantity || isCanonical(named.unit)
    ? undefined
    : convertFrom(named.unit);
}

const isCanonical = (unit: Unit): boolean => unit === 'C' || unit === 'hPa';
