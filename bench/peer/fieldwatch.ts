import { join } from 'node:path';
import { packageRoot } from '../../src/lib/package-root.ts';
import { daemonConfigText } from '../daemon-config.ts';
import type { Peer } from './peer.ts';

/** The output of `npm run build`, as the unit starts it. */
export const fieldwatch: Peer = {
  name: 'fieldwatch',
  executables: [process.execPath],
  versionArgs: [join(packageRoot(), 'dist/main.js'), '--version'],
  settings:
    'defaults and config/alerts.yaml: acknowledged after the commit, no reading stored twice, alert rules active',
  setup: ({ databaseUrl, broker, clientId, folder }) => ({
    files: { 'fieldwatch.yaml': daemonConfigText({ databaseUrl, broker, clientId, stateDir: folder }) },
    args: [join(packageRoot(), 'dist/main.js'), 'run', '-c', join(folder, 'fieldwatch.yaml')],
    table: 'sensor_readings',
    sql: ['TRUNCATE sensor_readings'],
  }),
};
