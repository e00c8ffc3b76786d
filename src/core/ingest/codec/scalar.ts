import type { MessageContext } from '../mapping/context.ts';
import { emptyDoc } from '../mapping/document.ts';
import { parseNumber } from '../mapping/value.ts';
import { type CodecKind, type Payload, rejectPayload } from './codec.ts';
import { decodeText } from './text.ts';

const NOT_A_NUMBER = rejectPayload('not_a_number');
const NOTHING = emptyDoc();

/** One value per topic, as text. The topic, or the route's `metric`, names it. */
function decodeScalar(bytes: Uint8Array, context: MessageContext): Payload {
  const text = decodeText(bytes);
  if (typeof text !== 'string') return text;
  const trimmed = text.trim();
  // A boolean is a value of an extra only (D4): the mapping drops it elsewhere, and then it is no number.
  const value = trimmed === 'true' ? true : trimmed === 'false' ? false : parseNumber(trimmed);
  if (value === undefined) return NOT_A_NUMBER;
  const metrics = emptyDoc();
  metrics[context.metric ?? ''] = value;
  const emptyCode = typeof value === 'boolean' ? 'not_a_number' : 'no_metrics';
  return { kind: 'records', records: { record: NOTHING, metrics, verbatim: true, emptyCode } };
}

export const scalar: CodecKind = {
  name: 'scalar',
  summary: 'one number as text; the topic names the metric',
  device: 'none',
  preset: {},
  create: () => ({ decode: decodeScalar }),
};
