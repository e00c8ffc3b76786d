import type { Caller } from '../access/caller.ts';

/** Who is recorded for a change: the name of the token. */
export const nameOf = ({ name }: Caller): string => name ?? 'operator';
