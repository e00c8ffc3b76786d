import type { Socket } from 'node:net';
import { setImmediate as nextRound } from 'node:timers/promises';
import { AdvisoryDecisions, type LockDecision } from './advisory-decisions.ts';
import { DECISION_SETTING, renameAdvisoryCalls } from './advisory-locks.ts';
import {
  MSG,
  PgError,
  closeStatement,
  commandComplete,
  errorResponse,
  literal,
  parameterStatus,
  pipelined,
  query,
  readyForQuery,
  sync,
  asPgError,
  raiseStatement,
} from './backend.ts';
import { type QueryClass, classify } from './classify.ts';
import { gatherCopyData, probeCopy } from './copy-in.ts';
import { ClientDisconnected, type EngineSession } from './engine-session.ts';
import type { EngineState } from './engine-state.ts';
import type { FrontendQueue, FrontendMessage } from './frontend-queue.ts';
import type { EngineOutput } from './output.ts';
import { Pipeline } from './pipeline.ts';
import { PreparedStatements } from './prepared.ts';

/** A client that reads slowly is not served further above this many unsent bytes. */
const DRAIN_ABOVE_BYTES = 8 * 1024 * 1024;
const JOIN_BELOW_BYTES = 16 * 1024;
/** The event loop runs at least this often while one client sends statement after statement. */
const YIELD_EVERY_MS = 5;

const CLIENT_GONE = new PgError({ code: '08006', message: 'client disconnected' });

/** One client's session after startup. */
export class GatewaySession {
  readonly engineSession: EngineSession;
  readonly engineState: EngineState;
  readonly prepared: PreparedStatements;
  readonly advisory: AdvisoryDecisions;
  readonly frontendQueue: FrontendQueue;
  private readonly socket: Socket;
  private readonly pipeline: Pipeline;
  private idleTimer: NodeJS.Timeout | undefined;
  private lastYield = 0;

  constructor(
    engineState: EngineState,
    engineSession: EngineSession,
    frontendQueue: FrontendQueue,
    socket: Socket,
  ) {
    this.engineState = engineState;
    this.engineSession = engineSession;
    this.frontendQueue = frontendQueue;
    this.socket = socket;
    this.prepared = new PreparedStatements(engineSession.id);
    this.advisory = new AdvisoryDecisions(engineState, engineSession);
    this.pipeline = new Pipeline(this);
  }

  /** Serves the client until it leaves. Afterwards nothing of it is left in the engine. */
  async serve(): Promise<void> {
    try {
      for (;;) {
        const message = this.frontendQueue.poll() ?? (await this.waitForClient());
        if (message === null || message.type === MSG.Terminate) break;
        await this.handle(message);
        await this.breathe();
      }
    } catch (error) {
      if (!(error instanceof ClientDisconnected)) throw error;
    } finally {
      this.socket.end();
      await this.abandon();
    }
  }

  private async handle(message: FrontendMessage): Promise<void> {
    if (message.type !== MSG.Query) return this.pipeline.handle(message);
    if (this.pipeline.skipping) return;
    try {
      await this.pipeline.run();
      await this.simpleQuery(message.raw);
    } catch (error) {
      this.failSimple(asPgError(error));
    }
  }

  private async simpleQuery(raw: Buffer): Promise<void> {
    const sql = raw.toString('utf8', 5, raw.length - 1);
    const kind = classify(sql);
    if (kind.copyInMixed)
      throw new PgError({
        code: '0A000',
        message: 'COPY FROM STDIN must be the only statement of a query here',
      });
    if (kind.copyIn) return this.copyIn(sql, raw);
    const ruled = kind.advisory ? await this.decideLocks(sql) : undefined;
    await this.engineSession.take();
    this.prepared.dropUnnamed();
    this.engineState.unnamedOwner = null;
    if (kind.discards !== null && this.engineSession.status === 'I') return this.discard(kind.discards);
    this.note(kind);
    const output = this.engineSession.run([ruled === undefined ? raw : query(ruled.sql)]);
    if (output.errorCode !== null) ruled?.lockDecision.undo();
    this.finish(output);
  }

  private async decideLocks(sql: string): Promise<{ sql: string; lockDecision: LockDecision }> {
    const renamed = renameAdvisoryCalls(sql);
    const lockDecision = await this.advisory.decide(renamed.calls, []);
    if (this.engineSession.status !== 'E')
      this.engineState.runOwn(`SET ${DECISION_SETTING} = ${literal(lockDecision.granted ? 't' : 'f')}`);
    return { sql: renamed.sql, lockDecision };
  }

  private async copyIn(sql: string, raw: Buffer): Promise<void> {
    let response = this.engineState.copyResponses.get(sql);
    if (response === undefined || this.engineSession.status === 'E') {
      await this.engineSession.take();
      const probed = probeCopy(this.engineState, this.engineSession, sql);
      if (!Buffer.isBuffer(probed)) return this.finish(probed);
      response = probed;
      this.engineSession.release();
    }
    this.send([response]);
    const data = await gatherCopyData(
      this.frontendQueue,
      this.engineState.limits.maxCopyBytes,
      this.idleClock,
    );
    await this.engineSession.take();
    this.prepared.dropUnnamed();
    this.engineState.unnamedOwner = null;
    this.finish(this.engineSession.run([raw, ...data]));
  }

  /** DISCARD ALL and DEALLOCATE ALL mean this connection, not the engine's one session. */
  private discard(what: 'discard' | 'deallocate'): void {
    const names = this.prepared.clear();
    if (names.length > 0) this.engineState.run([...names.map(closeStatement), sync()]);
    if (what === 'discard') {
      this.engineState.advisory.releaseAll(this.engineSession.id);
      this.engineSession.resetSettings();
    }
    this.send([commandComplete(what === 'discard' ? 'DISCARD ALL' : 'DEALLOCATE ALL'), readyForQuery('I')]);
    this.engineSession.release();
  }

  /** Remembers what has to be done when the transaction of this statement ends. */
  note(kind: QueryClass): void {
    if (kind.settings) this.engineSession.captureDue = true;
    if (kind.reset) this.engineSession.restoreDue = true;
    if (kind.createsTemp) this.engineState.tempOwners.add(this.engineSession.id);
  }

  /** Sets the results of the renamed advisory functions, inside the open pipeline. */
  applyDecision(lockDecision: LockDecision): void {
    this.engineSession.run([
      pipelined(`SELECT set_config('${DECISION_SETTING}', $1, false)`, [lockDecision.granted ? 't' : 'f']),
    ]);
  }

  /** Sends a result that ends with ReadyForQuery, and releases the engine if nothing is open. */
  finish(output: EngineOutput): void {
    const chunks = this.clientOutput(output);
    for (const [name, value] of this.engineSession.resetStatus()) chunks.push(parameterStatus(name, value));
    if (this.engineSession.status === 'I') this.prepared.endOfTransaction();
    // Nothing ready if the engine is skipping to the Sync of a failed pipeline.
    if (!this.engineSession.pipelineOpen) chunks.push(readyForQuery(this.engineSession.status));
    this.send(chunks);
    this.engineSession.release();
  }

  sendOutput(output: EngineOutput): void {
    this.send(this.clientOutput(output));
  }

  private clientOutput({ chunks, overflow }: EngineOutput): Buffer[] {
    if (!overflow) return chunks;
    const mib = Math.floor(this.engineState.limits.maxResultBytes / 1048576);
    const hint = 'Fetch it in parts, with a cursor or LIMIT.';
    return [errorResponse({ code: '54000', message: `the result is larger than ${mib} MiB`, hint })];
  }

  private failSimple(error: PgError): void {
    // A transaction that is open has to become a failed one, as in PostgreSQL.
    if (this.engineSession.held && this.engineSession.status === 'T')
      this.engineSession.run([query(raiseStatement(error))]);
    this.send([errorResponse(error.fields), readyForQuery(this.engineSession.status)]);
    this.engineSession.release();
    if (error.fields.severity === 'FATAL') throw new ClientDisconnected();
  }

  /** One system call for a small answer: it costs more than the statement. */
  send(chunks: readonly Buffer[]): void {
    if (chunks.length === 0 || this.socket.destroyed) return;
    const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    if (bytes <= JOIN_BELOW_BYTES) {
      this.socket.write(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, bytes));
      return;
    }
    this.socket.cork();
    for (const chunk of chunks) this.socket.write(chunk);
    this.socket.uncork();
  }

  /** Ends a client that holds the only session and does nothing with it. */
  readonly idleClock = {
    start: () => {
      if (this.engineSession.held)
        this.idleTimer = setTimeout(() => this.endIdle(), this.engineSession.idleTimeoutMs());
    },
    stop: () => clearTimeout(this.idleTimer),
  };

  private endIdle(): void {
    const message = 'terminating connection due to idle-in-transaction timeout';
    this.send([errorResponse({ severity: 'FATAL', code: '25P03', message })]);
    this.socket.end();
    this.engineSession.disconnect();
    this.frontendQueue.close();
  }

  private async waitForClient(): Promise<FrontendMessage | null> {
    this.idleClock.start();
    const message = await this.frontendQueue.next();
    this.idleClock.stop();
    return message;
  }

  private async breathe(): Promise<void> {
    if (this.socket.writableLength > DRAIN_ABOVE_BYTES && !this.socket.destroyed) {
      await new Promise<void>((resolve) => {
        this.socket.once('drain', resolve);
        this.socket.once('close', () => resolve());
      });
    }
    if (performance.now() - this.lastYield < YIELD_EVERY_MS) return;
    await nextRound();
    this.lastYield = performance.now();
  }

  /** Rolls back, releases and drops what this connection leaves behind; acquires the mutex for that. */
  private async abandon(): Promise<void> {
    const { engineSession, engineState } = this;
    clearTimeout(this.idleTimer);
    if (engineSession.held) {
      // Sync alone would commit what has run of the pipeline; PostgreSQL rolls it back.
      if (engineSession.pipelineOpen) engineSession.run([pipelined(raiseStatement(CLIENT_GONE)), sync()]);
      if (engineSession.status !== 'I') engineSession.run([query('ROLLBACK')]);
      if (engineSession.captureDue) engineState.loadedSettings = null; // a SET of this connection may still be in force
      engineSession.release();
    }
    engineState.advisory.releaseAll(engineSession.id);
    const names = this.prepared.clear();
    const dropTemp = engineState.tempOwners.delete(engineSession.id) && engineState.tempOwners.size === 0;
    if (names.length === 0 && !dropTemp) return;
    await engineState.mutex.enter(engineSession.id);
    if (names.length > 0) engineState.run([...names.map(closeStatement), sync()]);
    if (dropTemp && engineState.tempOwners.size === 0) engineState.runOwn('DISCARD TEMP');
    engineState.mutex.leave(engineSession.id);
  }
}
