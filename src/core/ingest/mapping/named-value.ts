import { aliasOf } from './alias.ts';
import { type Doc, type Pointer, emptyDoc, isForbiddenKey, lookup } from './document.ts';
import type { Draft, Element, Fault } from './draft.ts';
import { parseNumber } from './value.ts';

/** Keys that hold the value where the topic names the metric, in any case: Victron, zwave-js-ui, ioBroker, mqtt-smarthome. */
const VALUE_KEYS = ['value', 'val', 'v'];

/** A value that is not there at present, such as the temperature of a sensor that is unplugged. */
const NOT_THERE: Fault = { fault: 'ignored', detail: 'null: no value at present' };

const NOTHING = emptyDoc();

/** A document that is one number, of a topic that names the metric. */
export function bareValue(metric: string | undefined, value: unknown): Element {
  if (value === null) return NOT_THERE;
  return valueDraft(NOTHING, metric ?? '', value);
}

/**
 * The value of a record whose topic names the metric; undefined if the record has none and holds metrics by key. Of
 * its other members only well-known metrics are stored (`battery`): the rest describes the value (`min`, `lc`, `q`).
 */
export function namedValue(
  { valuePath }: { readonly valuePath: Pointer | undefined },
  metric: string | undefined,
  record: Doc,
): Element | undefined {
  const key = valuePath === undefined ? valueKey(record) : (valuePath.keys[0] ?? '');
  const value =
    valuePath === undefined ? (key === undefined ? undefined : record[key]) : lookup(record, valuePath);
  if (value === undefined) return undefined;
  if (value === null) return NOT_THERE;
  const draft = valueDraft(record, metric ?? '', value);
  const metrics: Record<string, unknown> = emptyDoc();
  for (const other of Object.keys(record))
    if (other !== key && aliasOf(other) !== undefined && !isForbiddenKey(other))
      metrics[other] = record[other];
  return { ...draft, metrics: Object.assign(metrics, draft.metrics) };
}

function valueKey(record: Doc): string | undefined {
  const keys = Object.keys(record).filter((key) => key.length <= 5);
  return VALUE_KEYS.map((wanted) => keys.find((key) => key.toLowerCase() === wanted)).find(
    (key) => key !== undefined,
  );
}

/** The topic names one value: text that holds a number is that number, as in the codec `scalar`. */
function valueDraft(record: Doc, metric: string, value: unknown): Draft {
  const metrics: Record<string, unknown> = emptyDoc();
  metrics[metric] = typeof value === 'string' ? (parseNumber(value.trim()) ?? value) : value;
  return { record, metrics, verbatim: true, emptyCode: 'not_a_number' };
}
