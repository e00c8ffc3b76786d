import type { Config } from '../../config/schema/index.ts';
import { notifySchema } from '../../config/schema/notify.ts';
import { routesSchema } from '../../config/schema/routes.ts';
import { filterCovers, parseTopicPattern, topicList } from '../../core/ingest/topic.ts';
import { probePort } from '../../embedded/port-in-use.ts';
import { isDemoFolder, runningFolder } from './folder.ts';

const SECOND_MS = 1000;

/** Rules and names of the sensors to which something happens in a demonstration (`src/simulator/story.ts`). */
const RULES: Config['alerts']['overrides'] = [
  {
    location: 'kitchen',
    metrics: { temperature: { min: -30, max: -15, hysteresis: 1, for: 10 * SECOND_MS } },
  },
  {
    location: 'cellar',
    offline_after: 20 * SECOND_MS,
    metrics: {},
  },
];
const NAMES: Config['sensors']['declare'] = {
  'freezer-01': { name: 'Freezer 1', type: 'freezer', location: 'kitchen', tags: ['cold'] },
  'cellar-01': { name: 'Cellar', type: 'room', location: 'cellar', tags: [] },
  'warehouse-01': { name: 'Warehouse 1', type: 'room', location: 'warehouse', tags: [] },
};

/** With what the sensors of the story need. */
export const withStory = (config: Config): Config => ({
  ...config,
  alerts: { ...config.alerts, overrides: [...config.alerts.overrides, ...RULES] },
  sensors: { ...config.sensors, declare: { ...NAMES, ...config.sensors.declare } },
});

const NOTIFY = {
  sinks: [
    { name: 'broker', kind: 'mqtt', retain: 'while_firing' },
    { name: 'on-call', kind: 'mqtt', prefix: 'fieldwatch/on-call' },
  ],
  routes: [{ to: 'broker', escalate: [{ after: '2m', to: 'on-call' }] }],
};

/**
 * With notifications to the embedded broker, so that an alert has been sent somewhere, and a second time where it is not acknowledged; as
 * configured where there is a sink, or a broker.
 */
export const withSink = (config: Config): Config =>
  config.notify.sinks.length > 0 || config.mqtt.url !== undefined
    ? config
    : {
        ...config,
        notify: notifySchema.parse(NOTIFY),
      };

/** With what reads the simulated sensors at the embedded broker, unless a route of the configuration does. */
export function withRoute(config: Config): Config {
  const { routes, mqtt } = config;
  const reads = (topic: string): boolean => {
    const parsed = parseTopicPattern(topic);
    return parsed.ok && filterCovers(parsed.pattern.filter, 'sensors/+/+/readings');
  };
  if (mqtt.url !== undefined || routes.some(({ topic }) => topicList(topic).some(reads))) return config;
  return {
    ...config,
    routes: [
      ...routes,
      ...routesSchema.parse([{ topic: 'sensors/{location}/{device}/readings', codec: 'json' }]),
    ],
  };
}

/**
 * As the daemon has it that runs here: while it is the demo, or where its data are asked for, with the sinks and sensors that the demo
 * adds.
 */
export function configInForce(config: Config, folderOf = runningFolder): Config {
  const { database, embedded } = config;
  const isDemo = database.url === undefined && isDemoFolder(folderOf(embedded.data_dir));
  return isDemo ? withSink(withStory(config)) : config;
}

/** With any other port for the page where another program has the configured one. */
export async function withFreePort(config: Config): Promise<Config> {
  const { host, port } = config.http;
  try {
    await probePort(host, port);
    return config;
  } catch {
    return { ...config, http: { ...config.http, port: 0 } };
  }
}
