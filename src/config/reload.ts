import { isDeepStrictEqual } from 'node:util';
import type { Config } from './schema/index.ts';
import { isPlainObject } from './walk.ts';

/** The settings that a running daemon applies at SIGHUP; connections and messages in flight are not affected. */
export const RELOADABLE = [
  'routes',
  'limits',
  'time_window',
  'alerts',
  'sensors',
  'policies',
  'notify',
] as const;
export type ReloadableKey = (typeof RELOADABLE)[number];

export interface ReloadDiff {
  /** Sections that differ and take effect at once. */
  readonly reloadable: readonly ReloadableKey[];
  /** Keys that differ and take effect at the next start only: `mqtt.url`. Names, never values. */
  readonly needsRestart: readonly string[];
}

export function diffReloadable(before: Config, after: Config): ReloadDiff {
  const reloadable = RELOADABLE.filter((key) => !isDeepStrictEqual(before[key], after[key]));
  // The name of the file is no setting: its rules are compared as `alerts`.
  const settled: readonly string[] = [...RELOADABLE, 'alerts_file'];
  const rest = (config: Config) =>
    Object.fromEntries(Object.entries(config).filter(([key]) => !settled.includes(key)));
  return { reloadable, needsRestart: differences(rest(before), rest(after), '') };
}

function differences(before: unknown, after: unknown, path: string): string[] {
  if (!isPlainObject(before) || !isPlainObject(after)) return isDeepStrictEqual(before, after) ? [] : [path];
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...keys].flatMap((key) =>
    differences(before[key], after[key], path === '' ? key : `${path}.${key}`),
  );
}
