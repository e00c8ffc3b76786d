import type { Config } from '../../config/schema/index.ts';
import { readerOf } from '../../adapters/timescale/connection/pool.ts';
import type { Counter } from '../../ports/metrics.ts';
import type { ButtonSource } from '../../ports/notification.ts';
import { ButtonListener } from '../../services/notify/button-listener.ts';
import { textContext } from '../../sinks/sink.ts';
import { definitionOf } from '../../sinks/index.ts';
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
  notify.sinks.filter((sink) => definitionOf(sink).buttons?.isOn(sink) === true);

const keyOf = (config: Config): string => JSON.stringify([withButtons(config), textDefaults(config)]);

const sourcesOf = (config: Config): readonly ButtonSource[] =>
  [...new Set(withButtons(config).map(definitionOf))].flatMap(
    (definition) =>
      definition.buttons?.sourcesOf(
        withButtons(config).filter((sink) => definitionOf(sink) === definition),
      ) ?? [],
  );
