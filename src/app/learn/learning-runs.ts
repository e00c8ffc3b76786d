import { randomUUID } from 'node:crypto';
import { type Listener, listen } from '../../adapters/mqtt/listener.ts';
import type { Learning } from '../../api/contract/learn.ts';
import type { Config } from '../../config/schema/index.ts';
import { FieldwatchError, messageOf } from '../../core/errors.ts';
import { reduceFilters } from '../../core/ingest/topic.ts';
import { Gathering } from '../../learn/gathering.ts';
import type { Learned } from '../../learn/learned.ts';
import type { Clock, Timer } from '../../ports/time.ts';
import { mqttOptions } from '../options.ts';
import { brokerSection } from './broker-section.ts';
import { proposeInThread } from './propose-in-thread.ts';

export interface LearningRequest {
  readonly seconds: number;
  readonly filters: readonly string[];
  readonly alerts: boolean;
}

export interface LearningDeps {
  readonly config: () => Config;
  readonly mqttUrl: string;
  readonly clock: Clock;
}

/** Limits of a run in the memory of the daemon. */
const LIMITS = { topics: 300, bytes: 2 * 1024 ** 2 };
/** Runs whose result can still be read. */
const KEPT = 10;

interface Run {
  readonly id: string;
  readonly request: LearningRequest;
  readonly startedMs: number;
  readonly gathering: Gathering;
  listener: Listener | undefined;
  timer: Timer | undefined;
  finishing: Promise<void> | undefined;
  result: { readonly learned: Learned; readonly yaml: string } | undefined;
  failure: string | undefined;
}

/** Runs of `learn` in the daemon: one at a time, in addition to its own subscription. */
export class LearningRuns {
  readonly #deps: LearningDeps;
  readonly #runs = new Map<string, Run>();
  #active: Run | undefined;
  readonly #stop = new AbortController();

  constructor(deps: LearningDeps) {
    this.#deps = deps;
  }

  /** Rejects with LEARN_RUNNING, BROKER_UNREACHABLE or SUBSCRIPTION_REFUSED. */
  async start(request: LearningRequest): Promise<Learning> {
    if (this.#active !== undefined) throw running(this.#active.id);
    const { config, mqttUrl, clock } = this.#deps;
    const startedMs = clock.nowMs();
    const gathering = new Gathering(LIMITS);
    const run: Run = {
      ...{ id: randomUUID(), request, startedMs, gathering },
      ...{
        listener: undefined,
        timer: undefined,
        finishing: undefined,
        result: undefined,
        failure: undefined,
      },
    };
    this.#active = run;
    try {
      const where = { url: mqttUrl, filters: reduceFilters(request.filters) };
      const events = {
        onMessage: (message: Parameters<Gathering['add']>[0]) => gathering.add(message),
        onLost: () => undefined,
        onBack: () => undefined,
      };
      run.listener = await listen(mqttOptions(config(), mqttUrl, []), where, events, clock);
    } catch (error) {
      this.#active = undefined;
      throw error;
    }
    this.#keep(run);
    run.timer = clock.after(request.seconds * 1000, () => void this.#finish(run));
    return this.#shown(run);
  }

  /** Ends it now, with what was received. Undefined for an unknown run. */
  async end(id: string): Promise<Learning | undefined> {
    const run = this.#runs.get(id);
    if (run === undefined) return undefined;
    run.timer?.cancel();
    if (this.#active === run) await this.#finish(run);
    return this.#shown(run);
  }

  find(id: string): Learning | undefined {
    const run = this.#runs.get(id);
    return run === undefined ? undefined : this.#shown(run);
  }

  /** Ends a run under way. Idempotent. */
  async stop(): Promise<void> {
    const run = this.#active;
    this.#stop.abort();
    run?.timer?.cancel();
    await run?.listener?.stop();
    this.#active = undefined;
  }

  #keep(run: Run): void {
    this.#runs.set(run.id, run);
    for (const id of this.#runs.keys()) {
      if (this.#runs.size <= KEPT) return;
      this.#runs.delete(id);
    }
  }

  /** Called once, whatever ends the run. */
  #finish(run: Run): Promise<void> {
    run.finishing ??= this.#evaluate(run);
    return run.finishing;
  }

  async #evaluate(run: Run): Promise<void> {
    const { config } = this.#deps;
    try {
      await run.listener?.stop();
      if (run.gathering.messages > 0)
        run.result = await proposeInThread(
          run.gathering,
          { config: config(), mqtt: brokerSection(config().mqtt), alerts: run.request.alerts },
          this.#stop.signal,
        );
    } catch (error) {
      run.failure = messageOf(error);
    } finally {
      if (this.#active === run) this.#active = undefined;
    }
  }

  #shown(run: Run): Learning {
    const { id, request, startedMs, gathering, result, failure } = run;
    const endsMs = startedMs + request.seconds * 1000;
    const isActive = this.#active === run;
    return {
      id,
      state: isActive ? 'listening' : failure === undefined ? 'done' : 'failed',
      startedAt: new Date(startedMs).toISOString(),
      endsAt: new Date(endsMs).toISOString(),
      remainingS: isActive ? Math.max(0, (endsMs - this.#deps.clock.nowMs()) / 1000) : 0,
      messages: gathering.messages,
      topics: gathering.counts.size,
      routes: (result?.learned.routes ?? []).map(
        ({ route, ecosystem, messages, devices, metrics, hints }) => ({
          name: ecosystem ?? [route.topic].flat()[0] ?? route.preset ?? '',
          messages,
          devices: devices.length,
          metrics: metrics.map(({ name }) => name),
          hints: [...hints],
        }),
      ),
      notPlaced: (result?.learned.notPlaced ?? []).map(({ reason, messages, examples }) => ({
        ...{ reason, messages, examples: [...examples] },
      })),
      yaml: result?.yaml ?? null,
      detail: failure ?? null,
    };
  }
}

const running = (id: string) =>
  new FieldwatchError(`run ${id} is still listening`, {
    code: 'LEARN_RUNNING',
    kind: 'transient',
    remedy: 'Wait for its end.',
  });
