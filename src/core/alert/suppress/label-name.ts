import { suggest } from '../../suggest.ts';
import { LABELS } from './matcher.ts';

const LABEL = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/;

/** The fault of a label's name. Any name may be that of a tag `name=value`, but not a misspelt built-in one. */
export function labelFault(name: string): string | undefined {
  if ((LABELS as readonly string[]).includes(name)) return undefined;
  if (!LABEL.test(name)) return `"${name}" is no label`;
  const close = suggest(name, LABELS);
  return close === undefined ? undefined : `"${name}" is no label; did you mean "${close}"?`;
}
