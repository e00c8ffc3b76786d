import type { Socket } from 'node:net';
import { setImmediate as nextRound } from 'node:timers/promises';
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
} from './backend.ts';
import { AdvisoryDesk, type Ruling } from './advisory-desk.ts';
import { DECISION_SETTING, renameAdvisoryCalls } from './advisory-locks.ts';
import { classify, type QueryClass } from './classify.ts';
import { gatherCopyData, probeCopy } from './copy-in.ts';
import type { EngineOutput } from './output.ts';
import type { House } from './house.ts';
import type { Inbox, InboxMessage } from './inbox.ts';
import { Pipeline } from './pipeline.ts';
import { PreparedStatements } from './prepared.ts';
import type { Turn } from './turn.ts';
import { Gone } from './turn.ts';

/** A client that reads slowly is not served further above this many unsent bytes. */
const DRAIN_ABOVE_BYTES = 8 * 1024 * 1024;
const JOIN_BELOW_BYTES = 16 * 1024;
/** The event loop gets a look in at least this often while one client sends statement after statement. */
const YIELD_EVERY_MS = 5;

const CLIENT_GONE = new PgError({ code: '08006', message: 'client disconnected' });

/** The conversation with one client after startup. */
export class Session {
  readonly turn: Turn;
  readonly house: House;
  readonly prepared: PreparedStatements;
  readonly desk: AdvisoryDesk;
  readonly inbox: Inbox;
  private readonly socket: Socket;
  private readonly pipeline: Pipeline;
  private idleTimer: NodeJS.Timeout | undefined;
  private lastYield = 0;

  constructor(house: House, turn: Turn, inbox: Inbox, socket: Socket) {
    this.house = house;
    this.turn = turn;
    this.inbox = inbox;
    this.socket = socket;
    this.prepared = new PreparedStatements(turn.id);
    this.desk = new AdvisoryDesk(house, turn);
    this.pipeline = new Pipeline(this);
  }

  /** Serves the client until it leaves. Afterwards nothing of it is left in the engine. */
  async serve(): Promise<void> {
    try {
      for (;;) {
        const message = this.inbox.poll() ?? (await this.waitForClient());
        if (message === null || message.type === MSG.Terminate) break;
        await this.handle(message);
        await this.breathe();
      }
    } catch (error) {
      if (!(error instanceof Gone)) throw error;
    } finally {
      this.socket.end();
      await this.abandon();
    }
  }

  private async handle(message: InboxMessage): Promise<void> {
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
    const ruled = kind.advisory ? await this.ruleSimple(sql) : undefined;
    await this.turn.take();
    this.prepared.dropUnnamed();
    this.house.unnamedOwner = null;
    if (kind.discards !== null && this.turn.status === 'I') return this.discard(kind.discards);
    this.note(kind);
    const output = this.turn.run([ruled === undefined ? raw : query(ruled.sql)]);
    if (output.errorCode !== null) ruled?.ruling.undo();
    this.finish(output);
  }

  private async ruleSimple(sql: string): Promise<{ sql: string; ruling: Ruling }> {
    const renamed = renameAdvisoryCalls(sql);
    const ruling = await this.desk.rule(renamed.calls, []);
    if (this.turn.status !== 'E')
      this.house.runOwn(`SET ${DECISION_SETTING} = ${literal(ruling.granted ? 't' : 'f')}`);
    return { sql: renamed.sql, ruling };
  }

  private async copyIn(sql: string, raw: Buffer): Promise<void> {
    let response = this.house.copyResponses.get(sql);
    if (response === undefined || this.turn.status === 'E') {
      await this.turn.take();
      const probed = probeCopy(this.house, this.turn, sql);
      if (!Buffer.isBuffer(probed)) return this.finish(probed);
      response = probed;
      this.turn.release();
    }
    this.send([response]);
    const data = await gatherCopyData(this.inbox, this.house.limits.maxCopyBytes, this.idleClock);
    await this.turn.take();
    this.prepared.dropUnnamed();
    this.house.unnamedOwner = null;
    this.finish(this.turn.run([raw, ...data]));
  }

  /** DISCARD ALL and DEALLOCATE ALL mean this connection, not the engine's one session. */
  private discard(what: 'discard' | 'deallocate'): void {
    const names = this.prepared.clear();
    if (names.length > 0) this.house.run([...names.map(closeStatement), sync()]);
    if (what === 'discard') {
      this.house.advisory.releaseAll(this.turn.id);
      this.turn.resetSettings();
    }
    this.send([commandComplete(what === 'discard' ? 'DISCARD ALL' : 'DEALLOCATE ALL'), readyForQuery('I')]);
    this.turn.release();
  }

  /** Remembers what has to be done when the transaction of this statement ends. */
  note(kind: QueryClass): void {
    if (kind.settings) this.turn.captureDue = true;
    if (kind.reset) this.turn.restoreDue = true;
    if (kind.createsTemp) this.house.tempOwners.add(this.turn.id);
  }

  /** Sets what the renamed advisory functions answer, inside the open pipeline. */
  announce(ruling: Ruling): void {
    this.turn.run([
      pipelined(`SELECT set_config('${DECISION_SETTING}', $1, false)`, [ruling.granted ? 't' : 'f']),
    ]);
  }

  /** Sends a result that ends with ReadyForQuery, and hands the engine on if nothing is open. */
  finish(output: EngineOutput): void {
    const chunks = this.clientOutput(output);
    for (const [name, value] of this.turn.settle()) chunks.push(parameterStatus(name, value));
    if (this.turn.status === 'I') this.prepared.endOfTransaction();
    // Nothing ready if the engine is skipping to the Sync of a failed pipeline.
    if (!this.turn.pipelineOpen) chunks.push(readyForQuery(this.turn.status));
    this.send(chunks);
    this.turn.release();
  }

  sendOutput(output: EngineOutput): void {
    this.send(this.clientOutput(output));
  }

  private clientOutput({ chunks, overflow }: EngineOutput): Buffer[] {
    if (!overflow) return chunks;
    const mib = Math.floor(this.house.limits.maxResultBytes / 1048576);
    const hint = 'Fetch it in parts, with a cursor or LIMIT.';
    return [errorResponse({ code: '54000', message: `the result is larger than ${mib} MiB`, hint })];
  }

  private failSimple(error: PgError): void {
    // A transaction that is open has to become a failed one, as in PostgreSQL.
    if (this.turn.held && this.turn.status === 'T') this.turn.run([query(raiseStatement(error))]);
    this.send([errorResponse(error.fields), readyForQuery(this.turn.status)]);
    this.turn.release();
    if (error.fields.severity === 'FATAL') throw new Gone();
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
      if (this.turn.held) this.idleTimer = setTimeout(() => this.endIdle(), this.turn.idleTimeoutMs());
    },
    stop: () => clearTimeout(this.idleTimer),
  };

  private endIdle(): void {
    const message = 'terminating connection due to idle-in-transaction timeout';
    this.send([errorResponse({ severity: 'FATAL', code: '25P03', message })]);
    this.socket.end();
    this.turn.disconnect();
    this.inbox.close();
  }

  private async waitForClient(): Promise<InboxMessage | null> {
    this.idleClock.start();
    const message = await this.inbox.next();
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

  /** Rolls back, releases and drops what this connection leaves behind; waits its turn for that. */
  private async abandon(): Promise<void> {
    const { turn, house } = this;
    clearTimeout(this.idleTimer);
    if (turn.held) {
      // Sync alone would commit what has run of the pipeline; PostgreSQL rolls it back.
      if (turn.pipelineOpen) turn.run([pipelined(raiseStatement(CLIENT_GONE)), sync()]);
      if (turn.status !== 'I') turn.run([query('ROLLBACK')]);
      if (turn.captureDue) house.loadedSettings = null; // a SET of this connection may still be in force
      turn.release();
    }
    house.advisory.releaseAll(turn.id);
    const names = this.prepared.clear();
    const dropTemp = house.tempOwners.delete(turn.id) && house.tempOwners.size === 0;
    if (names.length === 0 && !dropTemp) return;
    await house.turnstile.enter(turn.id);
    if (names.length > 0) house.run([...names.map(closeStatement), sync()]);
    if (dropTemp && house.tempOwners.size === 0) house.runOwn('DISCARD TEMP');
    house.turnstile.leave(turn.id);
  }
}

/** Makes the engine's transaction fail with the given SQLSTATE. */
export function raiseStatement(error: PgError): string {
  return `DO $fieldwatch$ BEGIN RAISE EXCEPTION 'gateway' USING ERRCODE = ${literal(error.fields.code)}; END $fieldwatch$`;
}

/** What the gateway itself raises goes to the client; anything else is a fault and ends the process. */
export function asPgError(error: unknown): PgError {
  if (error instanceof PgError) return error;
  throw error;
}
