import type { Observed } from './observed.ts';

export interface LineFacts {
  /** The tag that names the device; undefined: there is none in every line. */
  readonly tag: string | undefined;
  readonly precision: 's' | 'ms' | 'us' | 'ns' | undefined;
}

const LINE = /^(?:[^\s,\\]|\\.)+((?:,(?:[^\s\\]|\\.)+)?) .*?(?: (-?\d+))?$/;

/** What is the same in lines of line protocol. A glance is enough: the codec reads them properly. */
export function lineTags(messages: readonly Observed[]): LineFacts {
  const values = new Map<string, Set<string>>();
  let lines = 0;
  let digits = 0;
  for (const { content } of messages) {
    if (content.kind !== 'lines') continue;
    for (const line of content.text.split(/\r?\n/).slice(0, 20)) {
      const match = LINE.exec(line);
      if (match === null || line.startsWith('#')) continue;
      lines++;
      digits = Math.max(digits, match[2]?.length ?? 0);
      for (const pair of (match[1] ?? '').split(/(?<!\\),/).slice(1)) {
        const [key = '', value = ''] = pair.split(/(?<!\\)=/);
        const known = values.get(key);
        if (known !== undefined) known.add(value);
        // A tag that comes later was not in the lines before.
        else if (lines === 1) values.set(key, new Set([value]));
      }
      keepThoseIn(values, match[1] ?? '');
    }
  }
  return { tag: bestTag(values), precision: precisionOf(digits) };
}

function keepThoseIn(values: Map<string, Set<string>>, tags: string): void {
  for (const key of values.keys()) if (!tags.includes(`,${key}=`)) values.delete(key);
}

const USUAL = /^(?:host|device(?:_?id)?|sensor(?:_?id)?|node(?:_?id)?|id|name)$/i;

/** A usual name for a device, or the tag with the most values. */
function bestTag(values: ReadonlyMap<string, ReadonlySet<string>>): string | undefined {
  const keys = [...values.keys()];
  const usual = keys.find((key) => USUAL.test(key));
  return usual ?? keys.sort((a, b) => (values.get(b)?.size ?? 0) - (values.get(a)?.size ?? 0))[0];
}

/** Of a time between 2001 and 2286, which has ten digits of seconds. */
function precisionOf(digits: number): LineFacts['precision'] {
  if (digits === 0) return undefined;
  return digits <= 10 ? 's' : digits <= 13 ? 'ms' : digits <= 16 ? 'us' : 'ns';
}
