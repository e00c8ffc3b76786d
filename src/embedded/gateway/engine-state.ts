import { AdvisoryTable } from './advisory-locks.ts';
import { query } from './backend.ts';
import type { EngineProcess, EngineResult } from './engine-process.ts';
import { FairMutex } from './fair-mutex.ts';

export interface GatewayLimits {
  readonly maxConnections: number;
  /** The largest single message a client may send. */
  readonly maxMessageBytes: number;
  /** The most data one COPY FROM STDIN may carry: it is gathered in memory. */
  readonly maxCopyBytes: number;
  readonly maxResultBytes: number;
  /** For connections that set none of their own: no connection may hold the only session for ever. */
  readonly idleInTransactionMs: number;
}

export const DEFAULT_LIMITS: GatewayLimits = {
  maxConnections: 100,
  maxMessageBytes: 256 * 1024 * 1024,
  maxCopyBytes: 256 * 1024 * 1024,
  maxResultBytes: 512 * 1024 * 1024,
  idleInTransactionMs: 60_000,
};

/** Nothing checkpoints by itself in this engine; without one the log on disk would grow for ever. */
const CHECKPOINT_EVERY_BYTES = 64 * 1024 * 1024;

/** Shared by all connections: the engine, its mutex, the advisory locks, the settings that are loaded in the engine. */
export class EngineState {
  readonly mutex = new FairMutex();
  readonly advisory = new AdvisoryTable();
  readonly limits: GatewayLimits;
  /** Signature of the settings that are loaded in the engine; null: unknown. */
  loadedSettings: string | null = '';
  /** The connection whose unnamed prepared statement is the engine's. */
  unnamedOwner: number | null = null;
  /** Connections that have created temporary tables. */
  readonly tempOwners = new Set<number>();
  /** CopyInResponse by statement text. */
  readonly copyResponses = new Map<string, Buffer>();
  private readonly engine: EngineProcess;
  private readonly onCrash: (error: unknown) => void;
  private bytesSinceCheckpoint = 0;

  constructor(engine: EngineProcess, limits: GatewayLimits, onCrash: (error: unknown) => void) {
    this.engine = engine;
    this.limits = limits;
    this.onCrash = onCrash;
  }

  run(messages: readonly Buffer[]): EngineResult {
    try {
      for (const message of messages) this.bytesSinceCheckpoint += message.length;
      return this.engine.run(messages);
    } catch (error) {
      // The module is in an unknown state: the process ends, and the log replay at the next start recovers.
      this.onCrash(error);
      throw error;
    }
  }

  /** A statement of the gateway's own; its result goes to no client. */
  runOwn(sql: string): EngineResult {
    this.unnamedOwner = null; // a simple query drops the unnamed statement
    return this.run([query(sql)]);
  }

  /**
   * Called between transactions. The log written is estimated from what clients sent; a timer calls too, for log that
   * came from statements that are short but write much.
   */
  checkpointIfDue(force = false): void {
    if (!force && this.bytesSinceCheckpoint < CHECKPOINT_EVERY_BYTES) return;
    if (this.bytesSinceCheckpoint === 0) return;
    this.bytesSinceCheckpoint = 0;
    this.runOwn('CHECKPOINT');
  }
}
