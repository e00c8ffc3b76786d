import { createHash } from 'node:crypto';
import { messageOf } from '../../core/errors.ts';
import {
  type AlertCommand,
  type CommandRefusal,
  isRefusal,
  parseAlertCommand,
} from '../../core/notify/alert-command.ts';
import { TokenBucket, perMinute } from '../../core/token-bucket.ts';
import { type AnswerResult, answerText } from '../../core/notify/text/answer.ts';
import { retryAfterMsOf } from '../../core/notify/sink-error.ts';
import type { TextContext } from '../../core/notify/text/sentence.ts';
import type { Millis } from '../../core/reading.ts';
import { LogBudget } from '../../lib/log-budget.ts';
import { InterruptibleSleep } from '../../lib/sleep.ts';
import { unlessAborted, withDeadline } from '../../lib/timeout.ts';
import type { CommandMessage, CommandSource } from '../../ports/commands.ts';
import type { Counter } from '../../ports/metrics.ts';
import { type HeldLease, LeaseLoop, type LeaseLoopDeps } from '../../lib/lease-loop.ts';

export interface CommandSettings {
  /** Where answers go that have no response topic of their own. */
  readonly answerTopic: string;
  /** Whether an answer may go to a response topic. */
  readonly mayAnswerAt: (topic: string) => boolean;
  readonly maxPerMinute: number;
  readonly maxSilenceMs: () => Millis;
}

export interface CommandListenerDeps extends LeaseLoopDeps {
  /** By way and outcome. */
  readonly answered: Counter;
  /** The operator command; the same request twice changes nothing more. */
  readonly act: (command: AlertCommand & { readonly requestId: string }) => Promise<AnswerResult>;
  /** Resolves once the broker has accepted it; rejects with a number as `code` where it refuses. */
  readonly publish: (topic: string, payload: string, correlation: Uint8Array | undefined) => Promise<void>;
  readonly context: () => TextContext;
}

/** Outcome of a message. */
interface Answer {
  readonly status: AnswerResult['outcome'] | 'refused' | 'unavailable';
  readonly [field: string]: unknown;
}

/** A connection that lasts so long works; one that ends at once, again and again, is one outage. */
const LASTING_MS = 20_000;
const ACT_TIMEOUT_MS = 15_000;
const PUBLISH_TIMEOUT_MS = 10_000;

/**
 * Executes the commands of a topic and answers each. A message is acknowledged once it was executed and its answer accepted by the
 * broker: whenever the daemon is killed before, it comes again, finds its own request and is answered.
 */
export class CommandListener {
  readonly #source: CommandSource;
  readonly #settings: CommandSettings;
  readonly #deps: CommandListenerDeps;
  readonly #loop: LeaseLoop;
  readonly #refusals: LogBudget;
  readonly #bucket: TokenBucket;

  constructor(source: CommandSource, settings: CommandSettings, deps: CommandListenerDeps) {
    this.#source = source;
    this.#settings = settings;
    this.#deps = deps;
    this.#refusals = new LogBudget(deps.clock);
    this.#bucket = new TokenBucket(perMinute(settings.maxPerMinute), deps.clock.monotonicMs());
    const work = {
      name: source.name,
      kind: 'commands',
      failed: 'command topic not readable, retrying',
      retryAfterMs: retryAfterMsOf,
      run: (lease: HeldLease) => this.#serve(lease),
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

  /** Returns when another daemon has the lease; rejects with the reason when the connection ends. */
  async #serve(lease: HeldLease): Promise<void> {
    const connection = await this.#source.open((message) => this.#handle(message, lease));
    const lasting = new InterruptibleSleep(this.#deps.clock);
    void lasting.sleep(LASTING_MS).then(() => {
      if (!lasting.isStopped) lease.works();
    });
    try {
      throw await unlessAborted(connection.closed, lease.signal, leaseEnded);
    } catch (error) {
      if (!lease.signal.aborted) throw error;
    } finally {
      lasting.stop();
      await connection.close();
    }
  }

  async #handle(message: CommandMessage, lease: HeldLease): Promise<void> {
    // It clears a retained message.
    if (message.payload.length === 0) return;
    const { responseTopic, correlation } = message;
    const isElsewhere = responseTopic !== undefined && this.#settings.mayAnswerAt(responseTopic);
    const answer = await this.#answerTo(message, lease.signal);
    const topic = isElsewhere ? responseTopic : this.#settings.answerTopic;
    await this.#publish(topic, answer, correlation, lease.signal);
    this.#deps.answered.inc(1, { way: 'mqtt', outcome: answer.status });
    lease.works();
  }

  async #answerTo(message: CommandMessage, stopped: AbortSignal): Promise<Answer> {
    const { payload, retain, correlation, responseTopic } = message;
    const command = parseAlertCommand({ payload, retain, isCorrelated: correlation !== undefined });
    if (isRefusal(command)) return this.#refuse(command);
    const fault = this.#faultOf(command, responseTopic);
    if (fault !== undefined) return this.#refuse({ ...fault, id: command.id });
    const requestId = requestOf(command, message);
    const { action, alertId } = command;
    const by = `${command.by} (mqtt)`;
    const common = { id: command.id, action, alert_id: alertId };
    const { act, logger, clock } = this.#deps;
    let result: AnswerResult;
    try {
      result = await withDeadline(
        clock,
        { ms: ACT_TIMEOUT_MS },
        (signal) => unlessAborted(act({ ...command, by, requestId }), signal),
        stopped,
      );
    } catch (error) {
      if (stopped.aborted) throw error;
      logger.warn(
        { command: action, alert_id: alertId, by, error: messageOf(error) },
        'command not executed',
      );
      const message = this.#deps.context().language.messages.not_now;
      return { ...common, status: 'unavailable', reason: 'database', message };
    }
    if (!result.repeated)
      logger.info(
        { by, command: action, alert_id: alertId, outcome: result.outcome },
        'alert answered by a message',
      );
    return { ...common, ...fieldsOf(result), message: answerText(result, this.#deps.context()) };
  }

  #faultOf(
    { action, forMs }: AlertCommand,
    responseTopic: string | undefined,
  ): Omit<CommandRefusal, 'id'> | undefined {
    const { mayAnswerAt, maxSilenceMs, maxPerMinute } = this.#settings;
    if (responseTopic !== undefined && !mayAnswerAt(responseTopic))
      return {
        reason: 'response_topic',
        detail: 'its response topic is not among mqtt.commands.response_topics',
      };
    if (action === 'silence' && forMs !== undefined && forMs > maxSilenceMs())
      return { reason: 'too_long', detail: 'for: longer than alerts.max_silence' };
    if (this.#bucket.take(this.#deps.clock.monotonicMs()) > 0)
      return { reason: 'too_many', detail: `more than ${maxPerMinute} commands a minute` };
    return undefined;
  }

  #refuse({ reason, detail, id }: CommandRefusal): Answer {
    const refused = this.#refusals.take();
    if (refused !== undefined)
      this.#deps.logger.warn({ reason, detail, id, refused }, 'command of the command topic refused');
    return { id, status: 'refused', reason, message: detail };
  }

  async #publish(
    topic: string,
    answer: Answer,
    correlation: Uint8Array | undefined,
    stopped: AbortSignal,
  ): Promise<void> {
    const { clock, publish, logger } = this.#deps;
    try {
      const send = (signal: AbortSignal) =>
        unlessAborted(publish(topic, JSON.stringify(answer), correlation), signal, noAcknowledgement);
      await withDeadline(clock, { ms: PUBLISH_TIMEOUT_MS }, send, stopped);
    } catch (error) {
      // Without a connection it comes again; a broker that refuses would refuse it again, too.
      if (typeof (error as { code?: unknown }).code !== 'number') throw error;
      logger.warn({ topic, error: messageOf(error) }, 'answer to a command refused by the broker');
    }
  }
}

const leaseEnded = () => new Error('another daemon has the lease');
const noAcknowledgement = () => new Error('the broker has not acknowledged the answer');

/** Equal for a message that comes again; another content under the same id is another request. */
function requestOf(
  { id, action, alertId, by, comment, forMs }: AlertCommand,
  { responseTopic, correlation }: CommandMessage,
): string {
  const name = id === null ? [responseTopic ?? '', Buffer.from(correlation ?? []).toString('hex')] : [id];
  const content = JSON.stringify([...name, action, alertId, by, comment, forMs ?? null]);
  return `mqtt:${createHash('sha256').update(content).digest('hex')}`;
}

function fieldsOf({ outcome, by, atMs, untilMs, repeated }: AnswerResult): Answer {
  return {
    status: outcome,
    ...(by === undefined ? {} : { by }),
    ...(atMs === undefined ? {} : { at: new Date(atMs).toISOString() }),
    ...(untilMs === undefined ? {} : { until: new Date(untilMs).toISOString() }),
    repeated,
  };
}
