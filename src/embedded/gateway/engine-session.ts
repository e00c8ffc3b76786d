import { PgError, type TransactionStatus } from './backend.ts';
import type { EngineResult } from './engine-process.ts';
import type { EngineState } from './engine-state.ts';
import {
  BASELINE,
  CAPTURE,
  REPORTED,
  type Settings,
  durationMs,
  loadScript,
  ownSettings,
  restoreScript,
  signature,
  textRows,
} from './settings.ts';

/** The connection went away while it waited. */
export class ClientDisconnected extends Error {}

/**
 * One connection's use of the engine: acquires the mutex, loads the connection's settings, follows the transaction
 * status, and releases the mutex when no transaction or pipeline is open.
 */
export class EngineSession {
  readonly id: number;
  status: TransactionStatus = 'I';
  /** Extended-protocol messages have run that no Sync has ended yet. */
  pipelineOpen = false;
  /** Asked for by what has run in this transaction; done when it ends. */
  captureDue = false;
  restoreDue = false;
  settings: Settings;
  private readonly engineState: EngineState;
  private readonly startup: Settings;
  private mark: string;
  private disconnected = false;
  private cancelWait: ((reason: Error) => void) | null = null;

  constructor(engineState: EngineState, id: number, startup: Settings) {
    this.engineState = engineState;
    this.id = id;
    this.startup = startup;
    this.settings = startup;
    this.mark = signature(startup);
  }

  get held(): boolean {
    return this.engineState.mutex.owns(this.id);
  }

  /** Waits for the engine. @throws PgError on cancel or timeout, ClientDisconnected on disconnect. */
  async take(): Promise<void> {
    if (this.held) return;
    if (this.disconnected) throw new ClientDisconnected();
    await this.waitLimited(this.engineState.mutex.enter(this.id), (reason) =>
      this.engineState.mutex.refuse(this.id, reason),
    );
    if (this.disconnected) {
      this.engineState.mutex.leave(this.id);
      throw new ClientDisconnected();
    }
    if (this.engineState.loadedSettings !== this.mark) this.loadSettings();
  }

  /** Passes the engine to the next connection, unless a transaction or a pipeline is open. */
  release(): void {
    if (!this.held || this.pipelineOpen || this.status !== 'I') return;
    this.engineState.checkpointIfDue();
    this.engineState.mutex.leave(this.id);
  }

  run(messages: readonly Buffer[]): EngineResult {
    const output = this.engineState.run(messages);
    this.pipelineOpen = output.status === null;
    if (output.status !== null) this.status = output.status;
    return output;
  }

  /** A wait that this connection's own timeouts, a cancel request and a disconnect can end through `refuse`. */
  async waitLimited(wait: Promise<void>, refuse: (reason: Error) => void): Promise<void> {
    const timers = [
      this.timer('lock_timeout', '55P03', 'canceling statement due to lock timeout', refuse),
      this.timer('statement_timeout', '57014', 'canceling statement due to statement timeout', refuse),
    ];
    this.cancelWait = refuse;
    try {
      await wait;
    } finally {
      this.cancelWait = null;
      for (const timer of timers) clearTimeout(timer);
    }
  }

  /** A cancel request ends a wait; what already runs in the engine cannot be interrupted. */
  cancel(): void {
    this.cancelWait?.(new PgError({ code: '57014', message: 'canceling statement due to user request' }));
  }

  /** The client is gone: waits end, an open pipeline and transaction are rolled back by `abandon`. */
  disconnect(): void {
    this.disconnected = true;
    this.cancelWait?.(new ClientDisconnected());
  }

  idleTimeoutMs(): number {
    return (
      durationMs(this.settings, 'idle_in_transaction_session_timeout') ||
      this.engineState.limits.idleInTransactionMs
    );
  }

  /**
   * After a transaction that may have changed settings: learns the new ones.
   * @returns those whose change PostgreSQL reports to the client.
   */
  resetStatus(): [string, string][] {
    if (this.status !== 'I' || !this.captureDue) return [];
    if (this.restoreDue)
      this.engineState.runOwn(restoreScript(new Map([...this.missingBaseline(), ...this.startup])));
    this.captureDue = this.restoreDue = false;
    const before = this.settings;
    const captured = new Map(
      textRows(this.engineState.runOwn(CAPTURE)).map(([name, value]) => [name!, value ?? '']),
    );
    this.settings = ownSettings(captured);
    this.mark = signature(this.settings);
    this.engineState.loadedSettings = this.mark;
    const value = (settings: Settings, name: string) => settings.get(name) ?? BASELINE.get(name);
    return REPORTED.filter((name) => value(before, name) !== value(this.settings, name)).map((name) => [
      name,
      value(this.settings, name) ??
        (name === 'application_name' ? '' : name === 'DateStyle' ? 'ISO, MDY' : 'postgres'),
    ]);
  }

  /** DISCARD ALL and the like. */
  resetSettings(): void {
    this.settings = this.startup;
    this.mark = signature(this.startup);
    this.loadSettings();
  }

  private missingBaseline(): Settings {
    const captured = new Map(
      textRows(this.engineState.runOwn(CAPTURE)).map(([name, value]) => [name!, value ?? '']),
    );
    return new Map([...BASELINE].filter(([name]) => !captured.has(name)));
  }

  private loadSettings(): void {
    const output = this.engineState.runOwn(loadScript(this.settings));
    this.engineState.loadedSettings = output.errorCode === null ? this.mark : null;
    if (output.errorCode === null) return;
    this.engineState.mutex.leave(this.id);
    throw new PgError({
      severity: 'FATAL',
      code: output.errorCode,
      message: `invalid session settings in the startup packet: ${[...this.settings.keys()].join(', ')}`,
    });
  }

  private timer(
    setting: string,
    code: string,
    message: string,
    refuse: (reason: Error) => void,
  ): NodeJS.Timeout | undefined {
    const ms = durationMs(this.settings, setting);
    return ms === 0 ? undefined : setTimeout(() => refuse(new PgError({ code, message })), ms);
  }
}
