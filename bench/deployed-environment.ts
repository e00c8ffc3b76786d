import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../src/lib/package-root.ts';

/** Environment that the unit sets for the daemon, its own settings aside: it decides how much memory the daemon keeps. */
export const DEPLOYED_ENVIRONMENT: Readonly<Record<string, string>> = Object.fromEntries(
  [
    ...readFileSync(join(packageRoot(), 'systemd/fieldwatch.service'), 'utf8').matchAll(
      /^Environment=(\w+)=(\S+)$/gm,
    ),
  ]
    .map(([, name = '', value = '']) => [name, value] as const)
    .filter(([name]) => !name.startsWith('FIELDWATCH_')),
);
