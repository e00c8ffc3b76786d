/**
 * Words, units and marks by a name that a device or the daemon has chosen. No plain object: `toString` and `__proto__` are in every
 * one of them, and a metric may have either name.
 */
export type Words<Value> = ReadonlyMap<string, Value>;

export const words = <Value>(entries: Readonly<Record<string, Value>>): Words<Value> =>
  new Map(Object.entries(entries));
