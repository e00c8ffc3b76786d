import * as z from '../../core/schema/zod.ts';
import { alertsSchema } from './alerts.ts';
import { duration } from '../../core/schema/common.ts';
import { databaseSchema } from './database.ts';
import { deadLettersSchema } from './dead-letters.ts';
import { conflicts } from './declared.ts';
import { embeddedSchema } from './embedded.ts';
import { ordered, readFilePath, text } from '../../core/schema/fields.ts';
import { httpSchema } from './http.ts';
import { ingestSchema } from './ingest.ts';
import { metricsSchema } from './metrics.ts';
import { mqttSchema } from './mqtt.ts';
import { notifySchema } from './notify.ts';
import { appMetricsSchema, logSchema, schedulerSchema } from './operation.ts';
import { policiesSchema } from './policies.ts';
import { limitsSchema, routesSchema, timeWindowSchema } from './routes.ts';
import { sensorsSchema } from './sensors.ts';
import { spoolSchema } from './spool.ts';

// A message above the packet size is discarded by the broker, unseen and uncounted; above max_payload it becomes a dead
// letter. So the second bound has to be the tighter one, with room for topic and properties.
const payloadFitsPacket = <Schema extends z.ZodType>(schema: Schema) =>
  ordered(schema, ['limits', 'max_payload'], ['mqtt', 'max_packet_size'], {
    path: ['limits', 'max_payload'],
    error: 'must be at most mqtt.max_packet_size',
  });

/** The only source of names, types, bounds, units and defaults. One section, one file; every section may be absent. */
const sections = z.strictObject({
  mqtt: mqttSchema.prefault({}),
  database: databaseSchema.prefault({}),
  embedded: embeddedSchema.prefault({}),
  routes: routesSchema,
  limits: limitsSchema,
  time_window: timeWindowSchema,
  sensors: sensorsSchema.prefault({}),
  metrics: metricsSchema.prefault({}),
  ingest: ingestSchema.prefault({}),
  dead_letters: deadLettersSchema.prefault({}),
  spool: spoolSchema.prefault({}),
  alerts: alertsSchema.prefault({}),
  alerts_file: readFilePath(
    'file that holds the alerts section instead, relative to the configuration file',
  ).optional(),
  notify: notifySchema,
  policies: policiesSchema,
  scheduler: schedulerSchema.prefault({}),
  http: httpSchema.prefault({}),
  app_metrics: appMetricsSchema.prefault({}),
  log: logSchema.prefault({}),
  state_dir: text('folder for what the daemon keeps on disk, relative to the working directory').default(
    './data/state',
  ),
  shutdown_deadline: duration({ min: '1s', max: '10m' })
    .prefault('10s')
    .describe(
      'time for an orderly stop; then the process ends and the broker delivers again what was not safe',
    ),
});

export const configSchema = payloadFitsPacket(sections.check(conflicts));

/** The effective configuration. Names are those of the YAML; durations are milliseconds, sizes bytes. */
export type Config = Readonly<z.output<typeof configSchema>>;

/** The names of the sections and the top-level keys. */
export type ConfigKey = keyof Config;
