import type { AnswerResult } from '../../core/notify/text/answer.ts';
import { answerText } from '../../core/notify/text/answer.ts';
import { retryAfterMsOf } from '../../core/notify/sink-error.ts';
import type { TextContext } from '../../core/notify/text/sentence.ts';
import { withDeadline } from '../../lib/timeout.ts';
import type { Counter } from '../../ports/metrics.ts';
import type { ButtonAnswer, ButtonPress, ButtonSource } from '../../ports/notification.ts';
import { type HeldLease, LeaseLoop, type LeaseLoopDeps } from '../../lib/lease-loop.ts';

export interface ButtonListenerDeps extends LeaseLoopDeps {
  /** By way and outcome. */
  readonly answered: Counter;
  /** The operator command; the same request twice changes nothing more. */
  readonly act: (asked: NonNullable<ButtonPress['asked']>) => Promise<AnswerResult>;
  /** How texts of a sink are written. */
  readonly contextOf: (sink: string) => TextContext;
}

const POLL_TIMEOUT_MS = 40_000;
const ANSWER_TIMEOUT_MS = 10_000;

/**
 * Executes what is asked for by buttons below notifications. One daemon at a time polls a source. A press is settled once it was
 * executed and answered: whenever the daemon is killed before, it comes again, finds its own request and is answered.
 */
export class ButtonListener {
  readonly #source: ButtonSource;
  readonly #deps: ButtonListenerDeps;
  readonly #loop: LeaseLoop;

  constructor(source: ButtonSource, deps: ButtonListenerDeps) {
    this.#source = source;
    this.#deps = deps;
    const work = {
      name: source.name,
      kind: 'buttons',
      failed: 'buttons of notifications not readable, retrying',
      retryAfterMs: retryAfterMsOf,
      run: (lease: HeldLease) => this.#poll(lease),
    };
    this.#loop = new LeaseLoop(work, deps);
  }

  start(): void {
    this.#loop.start();
  }

  /** Idempotent. */
  stop(): Promise<void> {
    return this.#loop.stop();
  }

  async #poll(lease: HeldLease): Promise<void> {
    const poll = (signal: AbortSignal) => this.#source.poll(signal);
    const presses = await withDeadline(this.#deps.clock, { ms: POLL_TIMEOUT_MS }, poll, lease.signal);
    lease.works();
    for (const press of presses) {
      await this.#settle(press, lease);
      // What is left comes again.
      if (lease.signal.aborted) return;
    }
  }

  async #settle(press: ButtonPress, { signal: stopped }: HeldLease): Promise<void> {
    const { clock } = this.#deps;
    const answer = await this.#execute(press);
    if (answer !== undefined) {
      const send = (signal: AbortSignal) => press.answer(answer, signal);
      await withDeadline(clock, { ms: ANSWER_TIMEOUT_MS }, send, stopped);
    }
    press.settled();
  }

  /** Undefined: it is no button of ours. */
  async #execute({ asked, refuse, sink }: ButtonPress): Promise<ButtonAnswer | undefined> {
    const { act, answered, contextOf, logger } = this.#deps;
    if (sink === undefined) return undefined;
    const context = contextOf(sink);
    if (asked === undefined) {
      answered.inc(1, { way: 'button', outcome: 'refused' });
      const { by, userId, chat, reason } = refuse ?? {};
      logger.warn({ by, user_id: userId, chat, sink, reason }, 'button press refused');
      return { said: context.language.messages.not_allowed, isDone: false };
    }
    const result = await act(asked);
    answered.inc(1, { way: 'button', outcome: result.outcome });
    const { by, action, alertId } = asked;
    if (!result.repeated)
      logger.info(
        { by, command: action, alert_id: alertId, outcome: result.outcome },
        'alert answered by a button',
      );
    // Where nothing was done now, the message shows who was the first.
    const isDone = result.outcome === 'done' || result.outcome === 'queued';
    return { said: answerText(result, context), isDone };
  }
}
