import { FieldwatchError } from '../core/errors.ts';
import { hint } from '../core/did-you-mean.ts';

/** An option that has to be one of some words: a program without types may give any. Throws a FieldwatchError with this code. */
export function checkOneOf(what: string, given: unknown, known: readonly string[], code: string): void {
  if (typeof given === 'string' && known.includes(given)) return;
  const text = typeof given === 'string' ? given : String(given);
  throw new FieldwatchError(`${what}: ${JSON.stringify(text)} is not one of its values${hint(text, known)}`, {
    code,
    kind: 'data',
  });
}
