import { RELATIONS } from './relations.ts';

const RELATION_NAMES = RELATIONS.map(({ name }) => name as string);

/** Everything that sql/ creates and the program writes or reads; a test compares it with a migrated database. */
export const OUR_TABLES: readonly string[] = [
  ...RELATION_NAMES,
  ...['schema_migrations', 'sensors', 'metrics', 'alert_state', 'alert_outbox', 'alert_duty', 'alert_inbox'],
  ...['alert_commands', 'alert_deliveries', 'silences', 'notify_sinks', 'system_alerts', 'job_runs'],
];
