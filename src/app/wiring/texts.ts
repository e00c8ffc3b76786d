import type { Config } from '../../config/schema/index.ts';
import type { AlertDescriber } from '../../services/alert/publisher.ts';
import type { TextDefaults } from '../../sinks/sink.ts';
import type { Context } from '../context.ts';

/** As configured for all sinks. */
export const textDefaults = ({ notify }: Pick<Config, 'notify'>): TextDefaults => ({
  language: notify.language,
  timezone: notify.timezone ?? new Intl.DateTimeFormat().resolvedOptions().timeZone,
  namesZone: notify.timezone === undefined,
});

/** For the texts of alerts. */
export const describerOf = ({
  database,
  registry,
}: Pick<Context, 'database' | 'registry'>): AlertDescriber => ({
  factsOf: (sensorId) => registry.findById(sensorId) ?? { name: null, location: null },
  unitOf: (metric) => database.metricIds.unitOf(metric),
});
