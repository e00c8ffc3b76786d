import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Environment } from './environment.ts';

/** Where a configuration file is looked for when none is named, in this order. */
export const SEARCH_PATHS = ['./config/fieldwatch.yaml', '/etc/fieldwatch/fieldwatch.yaml'] as const;

/** The default that comes with the package: so that the first start works in an empty folder. */
const PACKAGED = fileURLToPath(new URL('../../config/fieldwatch.yaml', import.meta.url));

export interface Located {
  readonly file: string;
  readonly by: '--config' | 'FIELDWATCH_CONFIG' | 'search path' | 'packaged default';
}

/** The configuration file to use. A named one is returned unseen, so that its absence is reported under its name. */
export function locateConfig(
  named: string | undefined,
  env: Environment,
  exists: (path: string) => boolean = existsSync,
): Located | undefined {
  if (named !== undefined) return { file: named, by: '--config' };
  const fromEnvironment = env.FIELDWATCH_CONFIG;
  if (fromEnvironment !== undefined && fromEnvironment !== '')
    return { file: fromEnvironment, by: 'FIELDWATCH_CONFIG' };
  const found = SEARCH_PATHS.find(exists);
  if (found !== undefined) return { file: found, by: 'search path' };
  return exists(PACKAGED) ? { file: PACKAGED, by: 'packaged default' } : undefined;
}
