/** `operator` may do what `viewer` may, and change things. */
export type Role = 'viewer' | 'operator';

/** The caller of a request. */
export interface Caller {
  /** Null: not known, and allowed nothing but what is public. */
  readonly role: Role | null;
  /** Name of the token; null without one. */
  readonly name: string | null;
}

export const ANONYMOUS: Caller = { role: null, name: null };

export const mayUse = ({ role }: Caller, needed: Role | 'public'): boolean =>
  needed === 'public' || role === 'operator' || role === needed;

/** Name recorded with a change: that of the token. */
export const operatorOf = ({ name }: Caller): string => name ?? 'operator';
