import { messageOf } from '../../core/errors.ts';
import type { AnswerResult } from '../../core/notify/text/answer.ts';
import { answerText } from '../../core/notify/text/answer.ts';
import type { TextContext } from '../../core/notify/text/sentence.ts';
import { Outage } from '../../lib/outage.ts';
import { InterruptibleSleep } from '../../lib/sleep.ts';
import { withDeadline } from '../../lib/timeout.ts';
import type { Counter, Logger } from '../../ports/metrics.ts';
import type { ButtonPress, ButtonSource, NotificationStore } from '../../ports/notification.ts';
import type { Clock } from '../../ports/time.ts';

export interface ButtonListenerDeps {
  readonly store: Pick<NotificationStore, 'lease' | 'release'>;
  /** Names this daemon among several. */
  readonly owner: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** By way and outcome. */
  readonly answered: Counter;
  /** The operator command; the same request twice changes nothing more. */
  readonly act: (asked: NonNullable<ButtonPress['asked']>) => Promise<AnswerResult>;
  /** How texts of a sink are written. */
  readonly contextOf: (sink: string) => TextContext;
}

/** Longer than a poll, with what it brings. */
const LEASE_MS = 60_000;
const POLL_TIMEOUT_MS = 40_000;
const ANSWER_TIMEOUT_MS = 10_000;
const STANDBY_MS = 10_000;
const RETRY_MS = 5000;

/**
 * Executes what is asked for by buttons below notifications. One daemon at a time polls a source. A press is settled once it was
 * executed and answered: whenever the daemon is killed before, it comes again, finds its own request and is answered.
 */
export class ButtonListener {
  readonly #source: ButtonSource;
  readonly #deps: ButtonListenerDeps;
  readonly #sleep: InterruptibleSleep;
  readonly #abort = new AbortController();
  readonly #outage: Outage;
  #running: Promise<void> | undefined;
  #stopping = false;
  #owned = false;

  constructor(source: ButtonSource, deps: ButtonListenerDeps) {
    this.#source = source;
    this.#deps = deps;
    this.#sleep = new InterruptibleSleep(deps.clock);
    this.#outage = new Outage(deps.clock);
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#abort.abort();
    this.#sleep.stop();
    await this.#running;
    if (this.#owned)
      await this.#deps.store.release(this.#source.name, this.#deps.owner).catch(() => undefined);
    this.#owned = false;
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      try {
        const waitMs = await this.#pass();
        if (waitMs > 0) await this.#sleep.sleep(waitMs);
      } catch (error) {
        if (this.#stopping) return;
        if (this.#outage.failed(error))
          this.#deps.logger.warn(
            { error: messageOf(error) },
            'buttons of notifications not readable, retrying',
          );
        await this.#sleep.sleep(RETRY_MS);
      }
    }
  }

  async #pass(): Promise<number> {
    const { store, owner, clock } = this.#deps;
    this.#owned = await store.lease({ name: this.#source.name, kind: 'buttons' }, owner, LEASE_MS);
    if (!this.#owned) return STANDBY_MS;
    const poll = (signal: AbortSignal) => this.#source.poll(signal);
    const presses = await withDeadline(clock, { ms: POLL_TIMEOUT_MS }, poll, this.#abort.signal);
    this.#outage.recovered();
    for (const press of presses) await this.#settle(press);
    return 0;
  }

  async #settle(press: ButtonPress): Promise<void> {
    const { act, answered, contextOf, logger, clock } = this.#deps;
    const { asked, refuse, sink } = press;
    if (sink !== undefined) {
      const context = contextOf(sink);
      let said = context.language.messages.not_allowed;
      if (asked !== undefined) {
        const result = await act(asked);
        said = answerText(result, context);
        answered.inc(1, { way: 'button', outcome: result.outcome });
        const { by, action, alertId } = asked;
        if (!result.repeated)
          logger.info(
            { by, command: action, alert_id: alertId, outcome: result.outcome },
            'alert answered by a button',
          );
      } else {
        answered.inc(1, { way: 'button', outcome: 'refused' });
        logger.warn({ by: refuse?.by, user_id: refuse?.userId, sink }, 'button pressed by an unlisted user');
      }
      const answer = (signal: AbortSignal) => press.answer(said, signal);
      await withDeadline(clock, { ms: ANSWER_TIMEOUT_MS }, answer, this.#abort.signal);
    }
    press.settled();
  }
}
