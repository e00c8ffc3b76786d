import type { Observed } from '../core/ingest/preset/samples.ts';
import { groupedBy } from '../core/grouped.ts';

export interface LineFacts {
  /** The tag that names the device; undefined: no tag is in every line. */
  readonly tag: string | undefined;
  /** The route's `metric`; undefined: the field alone names it. */
  readonly metric: string | undefined;
  readonly precision: 's' | 'ms' | 'us' | 'ns' | undefined;
}

interface Line {
  readonly measurement: string;
  readonly tags: ReadonlyMap<string, string>;
  readonly digits: number;
}

const LINE = /^((?:[^\s,\\]|\\.)+)((?:,(?:[^\s\\]|\\.)+)?) .*?(?: (-?\d+))?$/;
const LINES_PER_MESSAGE = 20;

/** Tags and fields of line protocol. A rough scan is enough: the codec parses them properly. */
function linesOf({ content }: Observed): Line[] {
  if (content.kind !== 'lines') return [];
  const lines = content.text.split(/\r?\n/).slice(0, LINES_PER_MESSAGE);
  return lines.flatMap((line) => {
    const [, measurement, tags = '', time = ''] = LINE.exec(line) ?? [];
    if (measurement === undefined || line.startsWith('#')) return [];
    const pairs = tags.split(/(?<!\\),/).slice(1);
    const known = pairs
      .map((pair) => pair.split(/(?<!\\)=/))
      .map(([key = '', value = '']) => [key, value] as const);
    return [{ measurement, tags: new Map(known), digits: time.length }];
  });
}

/** The common facts of the lines of one route; `several`: the lines of all routes have more than one measurement. */
export function lineFacts(messages: readonly Observed[], several: boolean): LineFacts {
  const lines = messages.flatMap(linesOf);
  const values = new Map<string, Set<string>>();
  for (const key of lines[0]?.tags.keys() ?? [])
    if (lines.every(({ tags }) => tags.has(key)))
      values.set(key, new Set(lines.map(({ tags }) => tags.get(key) ?? '')));
  const tag = bestTag(values);
  const precision = precisionOf(Math.max(0, ...lines.map(({ digits }) => digits)));
  return { tag, metric: metricName(lines, tag, several), precision };
}

export const hasSeveralMeasurements = (messages: readonly Observed[]): boolean =>
  new Set(messages.flatMap(linesOf).map(({ measurement }) => measurement)).size > 1;

/** Name parts that distinguish the fields of one device: the measurement, and tags that vary (`cpu`, `path`). */
function metricName(lines: readonly Line[], tag: string | undefined, several: boolean): string | undefined {
  const ofDevice = ({ measurement, tags }: Line): string =>
    JSON.stringify([measurement, tag === undefined ? '' : (tags.get(tag) ?? '')]);
  const alike = [...groupedBy(lines, ofDevice).values()];
  const keys = new Set(lines.flatMap(({ tags }) => [...tags.keys()]));
  const varies = (key: string): boolean =>
    key !== tag && alike.some((list) => new Set(list.map(({ tags }) => tags.get(key))).size > 1);
  const parts = [...(several ? ['measurement'] : []), ...[...keys].filter(varies)];
  return parts.length === 0 ? undefined : [...parts, 'field'].map((part) => `{${part}}`).join('_');
}

const USUAL = /^(?:host|device(?:_?id)?|sensor(?:_?id)?|node(?:_?id)?|id|name)$/i;

/** A usual name for a device, or the tag with the most values. */
function bestTag(values: ReadonlyMap<string, ReadonlySet<string>>): string | undefined {
  const keys = [...values.keys()];
  const usual = keys.find((key) => USUAL.test(key));
  return usual ?? keys.sort((a, b) => (values.get(b)?.size ?? 0) - (values.get(a)?.size ?? 0))[0];
}

/** Unit of a time between 2001 and 2286, which has ten digits of seconds. */
function precisionOf(digits: number): LineFacts['precision'] {
  if (digits === 0) return undefined;
  return digits <= 10 ? 's' : digits <= 13 ? 'ms' : digits <= 16 ? 'us' : 'ns';
}
