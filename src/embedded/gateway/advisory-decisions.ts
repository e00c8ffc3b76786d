import type { AdvisoryCall } from './advisory-locks.ts';
import { PgError } from './backend.ts';
import { integerValue } from './bind-values.ts';
import type { EngineSession } from './engine-session.ts';
import type { EngineState } from './engine-state.ts';
import { textRows } from './settings.ts';

type Value = { binary: boolean; bytes: Buffer } | null;

export interface LockDecision {
  /** The result of the stub functions. */
  readonly granted: boolean;
  /** Releases the locks that were acquired, when the statement fails. */
  readonly undo: () => void;
}

const CONSTANT = /^([+-]?\d+)(?:\s*::\s*(?:bigint|int8|integer|int4|int|smallint|int2))?$/i;
const PARAMETER = /^\$(\d+)(?:\s*::\s*(?:bigint|int8|integer|int4|int|smallint|int2))?$/i;

/** Decides about the advisory lock calls of one statement before it runs. */
export class AdvisoryDecisions {
  private readonly engineState: EngineState;
  private readonly engineSession: EngineSession;

  constructor(engineState: EngineState, engineSession: EngineSession) {
    this.engineState = engineState;
    this.engineSession = engineSession;
  }

  /**
   * Holds the mutex on return. While it waits for a blocking lock of another connection it does not hold the mutex.
   * @throws PgError 40P01 if it would have to wait inside a transaction: the holder could never run to release it.
   */
  async decide(calls: readonly AdvisoryCall[], values: readonly Value[]): Promise<LockDecision> {
    for (;;) {
      await this.engineSession.take();
      const keys = calls.map((call) => this.key(call, values));
      const blocked = calls.findIndex((call, i) => call.action === 'lock' && !this.free(call, keys[i]!));
      if (blocked < 0) return this.apply(calls, keys);
      if (this.engineSession.status !== 'I' || this.engineSession.pipelineOpen) {
        throw new PgError({
          code: '40P01',
          message: 'deadlock detected',
          detail:
            'Another connection holds this advisory lock, and the embedded database runs one transaction at a time.',
          hint: 'Take the lock before the transaction begins, or use pg_try_advisory_lock().',
        });
      }
      this.engineSession.release();
      await this.nextRelease();
    }
  }

  private free(call: AdvisoryCall, key: string): boolean {
    return this.engineState.advisory.isFree(key, this.engineSession.id, call.shared);
  }

  private apply(calls: readonly AdvisoryCall[], keys: readonly string[]): LockDecision {
    const undo: (() => void)[] = [];
    const outcomes = calls.map((call, i) => this.applyOne(call, keys[i]!, undo));
    if (new Set(outcomes).size > 1) {
      for (const step of undo) step();
      throw new PgError({
        code: '0A000',
        message:
          'several advisory lock calls with different outcomes in one statement are not supported here',
        hint: 'Call them in statements of their own.',
      });
    }
    return { granted: outcomes[0] ?? true, undo: () => undo.forEach((step) => step()) };
  }

  private applyOne(call: AdvisoryCall, key: string, undo: (() => void)[]): boolean {
    const { advisory } = this.engineState;
    const { id } = this.engineSession;
    if (call.action === 'unlock_all') {
      advisory.releaseAll(id);
      return true;
    }
    if (call.action === 'unlock') return advisory.release(key, id, call.shared);
    if (!advisory.isFree(key, id, call.shared)) return false;
    // A transaction-level lock needs no entry: no other transaction runs before this one has ended.
    if (!call.untilTransactionEnd) {
      advisory.take(key, id, call.shared);
      undo.push(() => advisory.release(key, id, call.shared));
    }
    return true;
  }

  /** One bigint and two integers are different key spaces, as in PostgreSQL. */
  private key(call: AdvisoryCall, values: readonly Value[]): string {
    const parts = call.args.map((text) => this.argument(text, values));
    return parts.length === 2 ? `pair ${parts.join(' ')}` : `single ${parts.join(' ')}`;
  }

  private argument(text: string, values: readonly Value[]): bigint {
    const constant = CONSTANT.exec(text);
    if (constant !== null) return BigInt(constant[1]!);
    const parameter = PARAMETER.exec(text);
    const value = parameter === null ? undefined : integerValue(values[Number(parameter[1]) - 1]);
    if (value !== undefined) return value;
    return this.evaluate(text);
  }

  /** `hashtext('migrations')` and the like: the engine computes it. Only where a failure can do no harm. */
  private evaluate(text: string): bigint {
    const refused = new PgError({
      code: '0A000',
      message: `the key of an advisory lock must be a constant or a parameter here, not ${text}`,
      hint: 'Compute the key first, or pass it as a parameter.',
    });
    if (text.includes('$') || this.engineSession.pipelineOpen) throw refused;
    const output = this.engineState.runOwn(`SELECT (${text})::bigint`);
    if (output.status !== null) this.engineSession.status = output.status;
    const cell = output.errorCode === null ? textRows(output)[0]?.[0] : undefined;
    if (cell === null || cell === undefined) throw refused;
    return BigInt(cell);
  }

  private async nextRelease(): Promise<void> {
    let refuse: (reason: Error) => void = () => {};
    let stop = () => {};
    const released = new Promise<void>((resolve, reject) => {
      stop = this.engineState.advisory.onRelease(resolve);
      refuse = reject;
    });
    try {
      await this.engineSession.waitLimited(released, (reason) => refuse(reason));
    } finally {
      stop();
    }
  }
}
