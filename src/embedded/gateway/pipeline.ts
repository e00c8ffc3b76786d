import type { LockDecision } from './advisory-decisions.ts';
import {
  MSG,
  PgError,
  errorResponse,
  pipelined,
  readyForQuery,
  asPgError,
  raiseStatement,
} from './backend.ts';
import { bindValues } from './bind-values.ts';
import { copyResponseFor, gatherCopyData } from './copy-in.ts';
import { ClientDisconnected } from './engine-session.ts';
import type { FrontendMessage } from './frontend-queue.ts';
import type { AdvisoryDecisions } from './advisory-decisions.ts';
import type { QueryClass } from './classify.ts';
import type { EngineState } from './engine-state.ts';
import type { EngineOutput } from './output.ts';
import type { PreparedStatements } from './prepared.ts';
import type { FrontendQueue } from './frontend-queue.ts';
import type { EngineSession } from './engine-session.ts';

/** The part of the session that its pipeline uses. */
export interface PipelineSession {
  readonly engineSession: EngineSession;
  readonly engineState: EngineState;
  readonly prepared: PreparedStatements;
  readonly advisory: AdvisoryDecisions;
  readonly frontendQueue: FrontendQueue;
  readonly idleClock: { start(): void; stop(): void };
  applyDecision(decision: LockDecision): void;
  note(query: QueryClass): void;
  send(chunks: readonly Buffer[]): void;
  sendOutput(output: EngineOutput): void;
  finish(output: EngineOutput): void;
}

/** A pipeline this long runs in parts. */
const RUN_ABOVE_BYTES = 4 * 1024 * 1024;

/**
 * The extended protocol. Messages are gathered up to Sync and run as one unit, so a slow client does not hold the
 * engine between them; Flush, a COPY and an advisory lock run what is there, and then the connection keeps the
 * mutex until Sync. After an error of the engine the engine itself skips to Sync; after one of the gateway's, this does.
 */
export class Pipeline {
  private readonly session: PipelineSession;
  private pending: Buffer[] = [];
  private pendingBytes = 0;
  private usesOldUnnamed = false;
  private parsesUnnamed = false;
  /** After an error of the gateway, everything up to Sync is ignored. */
  skipping = false;
  private failed = false;
  private lockDecisions: LockDecision[] = [];

  constructor(session: PipelineSession) {
    this.session = session;
  }

  async handle(message: FrontendMessage): Promise<void> {
    if (this.skipping && message.type !== MSG.Sync) return;
    try {
      await this.accept(message);
    } catch (error) {
      this.fail(asPgError(error), message.type === MSG.Sync);
    }
  }

  private async accept({ type, raw }: FrontendMessage): Promise<void> {
    switch (type) {
      case MSG.Parse:
        return this.parse(raw);
      case MSG.Bind:
        return this.bind(raw);
      case MSG.Describe:
      case MSG.Close: {
        const { message, unnamedStatement } = this.session.prepared.describeOrClose(type, raw);
        if (unnamedStatement && type === MSG.Describe && !this.parsesUnnamed) this.usesOldUnnamed = true;
        return this.add(message);
      }
      case MSG.Execute:
        return this.execute(raw);
      case MSG.Flush:
        return this.run();
      case MSG.Sync:
        return this.sync(raw);
      case MSG.CopyData:
      case MSG.CopyDone:
      case MSG.CopyFail:
        return; // what a client still sends after its COPY has failed is ignored (protocol flow, COPY operations)
      case MSG.FunctionCall:
        throw new PgError({ code: '0A000', message: 'the function call protocol is not supported here' });
      default:
        throw new PgError({
          severity: 'FATAL',
          code: '08P01',
          message: `invalid frontend message type ${type}`,
        });
    }
  }

  private async parse(raw: Buffer): Promise<void> {
    const { message, prepared } = this.session.prepared.parse(raw);
    if (prepared.query.discards !== null) {
      throw new PgError({
        code: '0A000',
        message: 'DISCARD ALL and DEALLOCATE ALL need the simple query protocol here',
      });
    }
    if (prepared.engineName === '') this.parsesUnnamed = true;
    return this.add(message);
  }

  private async bind(raw: Buffer): Promise<void> {
    const { message, prepared, parametersAt } = this.session.prepared.bind(raw);
    if (prepared?.engineName === '' && !this.parsesUnnamed) this.usesOldUnnamed = true;
    if (prepared !== undefined && prepared.calls.length > 0) {
      if (this.pending.some((waiting) => waiting[0] === MSG.Execute)) await this.run();
      const lockDecision = await this.session.advisory.decide(prepared.calls, bindValues(raw, parametersAt));
      this.lockDecisions.push(lockDecision);
      await this.run();
      if (this.session.engineSession.status !== 'E') this.session.applyDecision(lockDecision);
    }
    return this.add(message);
  }

  private async execute(raw: Buffer): Promise<void> {
    const prepared = this.session.prepared.executed(raw);
    if (prepared !== undefined) this.session.note(prepared.query);
    if (prepared?.query.copyIn !== true) return this.add(raw);
    await this.run();
    if (this.failed) return;
    const { engineState, frontendQueue, idleClock, engineSession } = this.session;
    this.session.send([copyResponseFor(engineState, prepared.sql, prepared.query.copyBinary)]);
    const data = await gatherCopyData(frontendQueue, engineState.limits.maxCopyBytes, idleClock);
    await engineSession.take();
    this.session.sendOutput(engineSession.run([raw, ...data]));
  }

  private async sync(raw: Buffer): Promise<void> {
    const { engineSession } = this.session;
    this.skipping = false;
    this.failed = false;
    this.pending.push(raw);
    const { errorCode } = await this.runPending(true);
    if (errorCode !== null) for (const lockDecision of this.lockDecisions) lockDecision.undo();
    this.lockDecisions = [];
    engineSession.release();
  }

  private async add(message: Buffer): Promise<void> {
    this.pending.push(message);
    this.pendingBytes += message.length;
    if (this.pendingBytes > RUN_ABOVE_BYTES) await this.run();
  }

  /** Runs what is there without ending the pipeline. */
  async run(): Promise<void> {
    if (this.pending.length > 0) await this.runPending(false);
  }

  private async runPending(synced: boolean): Promise<{ errorCode: string | null }> {
    const { session } = this;
    await session.engineSession.take();
    if (this.usesOldUnnamed) this.repeatUnnamed();
    if (this.parsesUnnamed) session.engineState.unnamedOwner = session.engineSession.id;
    const messages = this.pending;
    this.forget();
    const output = session.engineSession.run(messages);
    if (output.errorCode !== null) this.failed = true;
    if (synced) this.failed = false;
    if (synced) session.finish(output);
    else session.sendOutput(output);
    return output;
  }

  /** Another connection has used the unnamed statement since: parse this one's again, unseen by the client. */
  private repeatUnnamed(): void {
    const { engineState, prepared, engineSession } = this.session;
    if (engineState.unnamedOwner === engineSession.id || prepared.unnamedParse === null) return;
    const output = engineSession.run([prepared.unnamedParse]);
    engineState.unnamedOwner = engineSession.id;
    if (output.errorCode !== null) this.session.sendOutput(output);
  }

  private forget(): void {
    this.pending = [];
    this.pendingBytes = 0;
    this.usesOldUnnamed = false;
    this.parsesUnnamed = false;
  }

  /** An error of the gateway: the engine has to see one too if it has something open; then skip to Sync. */
  private fail(error: PgError, atSync: boolean): void {
    const { session } = this;
    const { engineSession } = session;
    this.forget();
    for (const lockDecision of this.lockDecisions) lockDecision.undo();
    this.lockDecisions = [];
    if (engineSession.held && (engineSession.pipelineOpen || engineSession.status === 'T') && !this.failed) {
      engineSession.run([pipelined(raiseStatement(error))]);
    }
    session.send([errorResponse(error.fields)]);
    if (error.fields.severity === 'FATAL') throw new ClientDisconnected();
    this.skipping = !atSync;
    // Sync itself fails only while it waits for the engine, with nothing open there.
    if (atSync) session.send([readyForQuery(engineSession.status)]);
    engineSession.release();
  }
}
