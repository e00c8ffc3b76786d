import { MqttCommandSource } from '../../adapters/mqtt/command-source.ts';
import { readerOf } from '../../adapters/timescale/connection/pool.ts';
import type { Config } from '../../config/schema/index.ts';
import { parseTopicPattern } from '../../core/ingest/topic.ts';
import { CommandListener, type CommandSettings } from '../../services/notify/command-listener.ts';
import { textContext } from '../../sinks/sink.ts';
import type { Context } from '../context.ts';
import { actOnAlert } from '../operator/act-on-alert.ts';
import { mqttOptions } from '../options.ts';
import { answersMetric } from '../../lib/answers-metric.ts';
import { textDefaults } from './texts.ts';

/** The daemon executes a command within a second. */
const PATIENCE_MS = 5000;

/** Listens to the command topic, where one is configured. */
export function startCommands(context: Omit<Context, 'http'>): void {
  const { config, live, servers, database, mqtt, clock, logger, metrics, cleanup } = context;
  const { topic } = config.mqtt.commands;
  if (topic === undefined) return;
  const db = readerOf(database.pool);
  const source = new MqttCommandSource(
    mqttOptions(config, servers.mqttUrl, []),
    { url: servers.mqttUrl, topic, session: sessionOf(config) },
    clock,
  );
  const listener = new CommandListener(source, settingsOf(topic, config, live), {
    store: database.notificationStore,
    owner: config.mqtt.client_id,
    clock,
    logger: logger.child({ component: 'notify' }),
    answered: answersMetric(metrics),
    act: (command) => actOnAlert(db, command, { clock, patienceMs: PATIENCE_MS }),
    publish: (answerTopic, payload, correlation) =>
      mqtt.publish(answerTopic, payload, { qos: 1, retain: false, correlation }),
    context: () => textContext({}, { texts: textDefaults(live.config), clock }),
  });
  listener.start();
  cleanup.add('command topic', () => listener.stop());
}

/** The daemons of a share group have one session together: whichever has the lease goes on with it. */
const sessionOf = ({ mqtt }: Config): string => `${mqtt.share_group ?? mqtt.client_id}-commands`;

export const answerTopicOf = ({ mqtt }: Config, topic: string): string =>
  mqtt.commands.answer_topic ?? `${topic}/answers`;

function settingsOf(topic: string, config: Config, live: Context['live']): CommandSettings {
  const { response_topics, max_per_minute } = config.mqtt.commands;
  const answerTopic = answerTopicOf(config, topic);
  const filters = (response_topics ?? [`${answerTopic}/#`]).flatMap((filter) => {
    const parsed = parseTopicPattern(filter);
    return parsed.ok ? parsed.pattern : [];
  });
  return {
    answerTopic,
    mayAnswerAt: (asked) =>
      isTopic(asked) && asked !== topic && filters.some((filter) => filter.match(asked) !== undefined),
    maxPerMinute: max_per_minute,
    maxSilenceMs: () => live.config.alerts.max_silence,
  };
}

const isTopic = (text: string): boolean => text !== '' && !/[+#\0]/.test(text) && !text.startsWith('$');
