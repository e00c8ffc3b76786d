import type { Config } from '../../config/schema/index.ts';
import { readerOf } from '../../adapters/timescale/connection/pool.ts';
import type { Counter } from '../../ports/metrics.ts';
import { ButtonListener } from '../../services/notify/button-listener.ts';
import { textContext } from '../../sinks/sink.ts';
import { type ButtonChat, TelegramButtons } from '../../sinks/telegram-buttons.ts';
import type { Base, ButtonListeners, Context } from '../context.ts';
import { actOnAlert } from '../operator/act-on-alert.ts';
import { answersMetric } from '../../lib/answers-metric.ts';
import { textDefaults } from './texts.ts';

/** The daemon executes a command within a second. */
const PATIENCE_MS = 5000;

/** Listens to the buttons below notifications, from `start` on. */
export class Buttons implements ButtonListeners {
  readonly #base: Base & Pick<Context, 'database'>;
  readonly #answered: Counter;
  #listeners: readonly ButtonListener[] = [];
  #key = '';
  #started = false;

  constructor(base: Base & Pick<Context, 'database'>) {
    this.#base = base;
    this.#answered = answersMetric(base.metrics);
    base.cleanup.add('buttons of notifications', () => this.stop());
  }

  start(): void {
    this.#started = true;
    this.#listen(this.#base.config);
  }

  /** After a change of the sinks. */
  async reconfigure(config: Config): Promise<void> {
    if (!this.#started || keyOf(config) === this.#key) return;
    await this.stop();
    this.#listen(config);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#listeners.map((each) => each.stop()));
    this.#listeners = [];
  }

  #listen(config: Config): void {
    const { database, clock, logger } = this.#base;
    const db = readerOf(database.pool);
    this.#key = keyOf(config);
    this.#listeners = sourcesOf(config).map(
      (source) =>
        new ButtonListener(source, {
          store: database.notificationStore,
          owner: config.mqtt.client_id,
          clock,
          logger: logger.child({ component: 'notify' }),
          answered: this.#answered,
          act: (asked) => actOnAlert(db, { ...asked, comment: '' }, { clock, patienceMs: PATIENCE_MS }),
          contextOf: (name) =>
            textContext(config.notify.sinks.find((sink) => sink.name === name) ?? {}, {
              texts: textDefaults(config),
              clock,
            }),
        }),
    );
    for (const each of this.#listeners) each.start();
  }
}

const withButtons = ({ notify }: Config) =>
  notify.sinks.flatMap((sink) => (sink.kind === 'telegram' && sink.buttons ? [sink] : []));

const keyOf = (config: Config): string => JSON.stringify([withButtons(config), textDefaults(config)]);

/** One for each bot: Telegram gives each press once, whichever chat it is in. */
function sourcesOf(config: Config): readonly TelegramButtons[] {
  const bots = new Map<string, { bot: ReturnType<typeof withButtons>[number]; chats: ButtonChat[] }>();
  for (const sink of withButtons(config)) {
    const key = JSON.stringify([sink.url, sink.token, sink.token_file]);
    const chats: ButtonChat[] = bots.get(key)?.chats ?? [];
    chats.push({ sink: sink.name, chat: sink.chat, users: sink.users });
    bots.set(key, { bot: sink, chats });
  }
  return [...bots.values()].map(({ bot, chats }) => new TelegramButtons(bot, chats));
}
