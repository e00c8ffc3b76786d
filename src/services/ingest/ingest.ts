import { messageOf } from '../../core/errors.ts';
import { AdaptiveLinger } from '../../core/ingest/adaptive-linger.ts';
import {
  type BatchLimits,
  type FlushDecision,
  type WindowFill,
  decideFlush,
  isFull,
  isSparse,
} from '../../core/ingest/batch-limits.ts';
import { IntakeWindow, type WindowLimits } from '../../core/ingest/intake-window.ts';
import {
  AVAILABILITY,
  type Decoded,
  FILTERED_CODES,
  type Micros,
  type Millis,
  type Publish,
  type Availability,
} from '../../core/reading.ts';
import { LogBudget } from '../../lib/log-budget.ts';
import { endsWithin } from '../../lib/timeout.ts';
import type { Connectivity, InboundMessage, MessageSource } from '../../ports/messages.ts';
import type { Logger, Metrics } from '../../ports/metrics.ts';
import type { StoreOutcome } from '../../ports/store.ts';
import type { Clock, Timer } from '../../ports/time.ts';
import { IngestAccounting, type AccountingTotals } from './accounting.ts';
import type { BatchWriter } from './batch-writer.ts';
import { IngestBatch } from './batch.ts';
import type { DeadLetterBudget } from './dead-letter-budget.ts';
import { MessageLog } from './message-log.ts';
import { Redelivery } from './redelivery.ts';
import type { SensorRegistry } from './sensor-registry.ts';

/** Topic and payload to readings: the compiled routes. Pure but for Sparkplug's birth state. */
export interface Decoder {
  decode(message: {
    readonly topic: string;
    readonly payload: Uint8Array;
    readonly retain: boolean;
    readonly receivedAtMs: Millis;
    readonly arrivalUs: Micros;
    readonly contentType: string | undefined;
    readonly clockUnknown?: boolean;
  }): Decoded;
}

export interface IngestOptions {
  readonly batch: BatchLimits;
  /** Messages and rows in flight before reading from the broker pauses. */
  readonly window: WindowLimits;
}

export interface IngestDeps {
  readonly source: MessageSource;
  readonly decoder: Decoder;
  readonly registry: SensorRegistry;
  readonly writer: BatchWriter;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Shared with the spool drainer. */
  readonly accounting?: IngestAccounting | undefined;
  /** How many dead letters are kept; without it all are. */
  readonly deadLetters?: DeadLetterBudget | undefined;
  /** Future times are checked when the spool drains: until the first contact with the database the clock may be wrong. */
  readonly clockUnknown?: (() => boolean) | undefined;
  /** How many daemons share the messages, this one included; absent: it gets them all. */
  readonly members?: (() => number) | undefined;
  /** For what share of the time since the last call the daemon was busy, 0 to 1; absent: never. */
  readonly load?: (() => number) | undefined;
  readonly onConnectivity?: (connectivity: Connectivity) => void;
  /** Publishes the command of a route to a sender. Must not throw; what cannot be sent is dropped. */
  readonly publish?: (publish: Publish) => void;
}

/** Its first copy carries the readings; this one keeps its place in the order of the PUBACKs. */
const OVERLAPPING_COPY: Decoded = { kind: 'reject', code: 'overlapping_copy', detail: '' };

/** Below it, a window of the broker that is full says nothing about a backlog. */
const BEHIND_MESSAGES = 1000;

/** Before the first CONNACK: what a default MQTT 3.1.1 broker grants. */
const ASSUMED_RECEIVE_MAXIMUM = 20;

/**
 * From message to committed rows: decodes on arrival, gathers batches, writes one at a time while the next fills,
 * and acknowledges a message only when every row of it is safe.
 */
export class Ingest {
  private readonly options: IngestOptions;
  private readonly deps: IngestDeps;
  private readonly accounting: IngestAccounting;
  private readonly redelivery: Redelivery;
  private readonly log: MessageLog;
  private readonly failures: LogBudget;
  private readonly linger: AdaptiveLinger;
  private decoder: Decoder;
  private open: IngestBatch | undefined;
  /** Full batches that wait for the writer; the first may be in the middle of its commit. */
  private readonly queue: IngestBatch[] = [];
  private readonly held: IntakeWindow;
  private receiveMaximum = ASSUMED_RECEIVE_MAXIMUM;
  /** On this connection, until a wait for more was in vain. */
  private mostUnacknowledged = 0;
  /** The timer is that of a sparse batch. */
  private waitsSparse = false;
  private lastLagMs: number | null = null;
  private writing: Promise<void> | undefined;
  private timer: Timer | undefined;

  constructor(options: IngestOptions, deps: IngestDeps) {
    this.options = options;
    this.deps = deps;
    this.decoder = deps.decoder;
    this.held = new IntakeWindow(options.window);
    this.accounting = deps.accounting ?? new IngestAccounting(deps.metrics);
    this.redelivery = new Redelivery();
    this.log = new MessageLog(deps.clock, deps.logger);
    this.failures = new LogBudget(deps.clock);
    this.linger = new AdaptiveLinger(options.batch.lingerMs);
    this.exportGauges(deps.metrics);
  }

  async start(): Promise<void> {
    await this.deps.source.start({
      onMessage: (message) => this.onMessage(message),
      onConnectivity: (connectivity) => this.onConnectivity(connectivity),
    });
  }

  /** Swaps the routes between two messages. */
  reroute(decoder: Decoder): void {
    this.decoder = decoder;
  }

  /** From the arrival of the newest committed batch's first message to its commit. */
  get lagMs(): number | null {
    return this.lastLagMs;
  }

  /** True while reading from the broker is paused at the limit of the window. */
  get isPaused(): boolean {
    return this.held.isFull;
  }

  /** True while messages wait longer than for the commit under way: a backlog drains, or the database is slow. */
  get isBehind(): boolean {
    return this.queue.length > 1 || this.held.messages >= Math.max(BEHIND_MESSAGES, this.receiveMaximum / 2);
  }

  /** Rows that wait for a commit, oldest first, without an open batch that is only waiting to fill. */
  get waiting(): readonly IngestBatch[] {
    if (this.writing === undefined) return [];
    return this.open === undefined ? this.queue : [...this.queue, this.open];
  }

  totals(): AccountingTotals {
    return this.accounting.totals();
  }

  /** Stops receiving, writes what is held and acknowledges it. Resolves when nothing is in flight or time is up. */
  async stop(deadlineMs: number): Promise<void> {
    await this.deps.source.stopReceiving();
    this.flush();
    const drained = this.drain();
    if (!(await endsWithin(drained, deadlineMs, this.deps.clock))) {
      // Unacknowledged messages stay with the broker: nothing is lost, they are redelivered after the start.
      const messages = this.held.messages;
      this.deps.writer.abandon();
      await drained;
      this.deps.logger.warn(
        { messages },
        'stopped before all messages were stored, the broker will redeliver',
      );
    }
  }

  private onMessage(message: InboundMessage): void {
    const first = this.redelivery.firstOf(message);
    const decoded = message.isCopy === true ? OVERLAPPING_COPY : this.decode(message, first);
    if (decoded.publish !== undefined) this.deps.publish?.(decoded.publish);
    // With neither database nor spool, the window is reserved for messages that would not be redelivered.
    if (message.qos === 0 && this.deps.writer.stuck && this.held.rows * 2 >= this.options.window.maxRows) {
      return this.accounting.filter('no_room');
    }
    const batch = (this.open ??= new IngestBatch(this.deps.clock.monotonicMs(), this.deps.deadLetters));
    const before = batch.bytes;
    const rowsBefore = batch.rows;
    batch.addMessage(message);
    if (decoded.kind === 'reject' && FILTERED_CODES.has(decoded.code)) {
      // It needs no row, yet it keeps its place in the batch: PUBACKs leave in the order of arrival (MQTT 4.6).
      this.accounting.filter(decoded.code);
      if (decoded.availability !== undefined) this.noteAvailability(batch, decoded.availability, first);
    } else if (decoded.kind === 'reject') {
      this.accounting.arrived(1, 0);
      batch.addDeadLetter(first, decoded.code, decoded.detail);
      this.log.refused(message.topic, decoded.code, decoded.detail);
    } else {
      this.accounting.arrived(decoded.readings.length, decoded.dropped, decoded.ambiguous);
      this.log.kept(message.topic, decoded);
      for (const reading of decoded.readings) {
        batch.addReading(reading, first, first.receivedAtMs, this.deps.registry.find(reading.device));
      }
    }
    this.hold(batch.rows - rowsBefore, batch.bytes - before, message.qos);
    this.schedule();
  }

  /**
   * Availability of the device, of the sensors that send through it and, where it covers them, of its parts: each goes the way
   * of a reading that is not stored.
   */
  private noteAvailability(
    batch: IngestBatch,
    { device, parts, online }: Availability,
    message: InboundMessage,
  ): void {
    const metrics = new Map([[AVAILABILITY, online ? 1 : 0]]);
    const { receivedAtMs } = message;
    const { registry } = this.deps;
    const keys = new Set([device, ...(parts ? registry.partsOf(device) : []), ...registry.behind(device)]);
    for (const key of keys) {
      const reading = { device: key, timeUs: receivedAtMs * 1000, location: undefined, metrics };
      batch.addReading(reading, message, receivedAtMs, registry.find(key));
    }
  }

  private decode(message: InboundMessage, { receivedAtMs, arrivalUs }: InboundMessage): Decoded {
    try {
      if (this.deps.clockUnknown?.() === true)
        return this.decoder.decode({ ...message, receivedAtMs, arrivalUs, clockUnknown: true });
      // Nearly always the message itself: at tens of thousands a second one more object each is measurable.
      return this.decoder.decode(
        arrivalUs === message.arrivalUs ? message : { ...message, receivedAtMs, arrivalUs },
      );
    } catch (error) {
      // A bug in a decoder must cost one message, kept for the day it is fixed, and never the connection.
      const messages = this.failures.take();
      if (messages !== undefined)
        this.deps.logger.error(
          { err: error, topic: message.topic, messages },
          'decoding failed unexpectedly, stored as a dead letter',
        );
      return { kind: 'reject', code: 'decoder_failed', detail: messageOf(error) };
    }
  }

  private onConnectivity(connectivity: Connectivity): void {
    this.deps.onConnectivity?.(connectivity);
    if (connectivity.state === 'connected') {
      this.receiveMaximum = connectivity.receiveMaximum;
      this.mostUnacknowledged = 0;
      if (!connectivity.sessionPresent) this.redelivery.sessionLost();
    } else if (connectivity.state === 'disconnected') {
      this.redelivery.connectionLost(this.heldMessages());
    }
  }

  private *heldMessages(): Iterable<InboundMessage> {
    for (const batch of this.queue) yield* batch.messageList;
    if (this.open !== undefined) yield* this.open.messageList;
  }

  /** Called after every message: seals, writes, or waits a little, as `decideFlush` decides. */
  private schedule(): void {
    const { open } = this;
    if (open !== undefined && isFull(open, this.options.batch)) this.seal();
    if (this.writing !== undefined) return;
    if (this.queue.length > 0) return this.flush();
    // The exact clock is read only when the timer fires, a batch opens or is sparse no more, not for every message.
    if (this.timer === undefined || this.windowPressed() || this.filled()) this.decide();
  }

  private filled(): boolean {
    if (!this.waitsSparse || this.open === undefined) return false;
    return !isSparse(this.open, this.window(), this.linger.sparseMs(this.deps.members?.()));
  }

  private windowPressed(): boolean {
    return (this.open?.messages ?? 0) * 2 >= this.receiveMaximum || this.held.messages >= this.receiveMaximum;
  }

  private decide(): void {
    if (this.open === undefined) return;
    const decision = this.decisionOn(this.open);
    if (decision.flush === 'now') this.flush();
    else {
      this.waitsSparse = decision.sparse;
      this.wait(decision.afterMs);
    }
  }

  private wait(ms: number): void {
    this.timer?.cancel();
    this.timer = this.deps.clock.after(ms, () => {
      this.timer = undefined;
      // The broker could have sent more, and has not.
      if (this.waitsSparse) this.mostUnacknowledged = this.held.messages;
      if (this.writing === undefined) this.decide();
    });
  }

  private seal(): void {
    if (this.open === undefined) return;
    this.queue.push(this.open);
    this.open = undefined;
  }

  private flush(): void {
    this.timer?.cancel();
    this.timer = undefined;
    if (this.writing !== undefined) return;
    if (this.queue.length === 0) this.seal();
    if (this.queue.length === 0) return;
    this.writing = this.writeAll().finally(() => {
      this.writing = undefined;
      this.decide();
    });
  }

  /** Continuous group commit: while there is a batch that is due, the next commit starts at once. */
  private async writeAll(): Promise<void> {
    for (;;) {
      const batch = this.queue[0];
      if (batch === undefined) return;
      // Counted before the commit: rows that it refuses become dead letters and grow the batch.
      const { rows, bytes } = batch;
      const startedMs = this.deps.clock.monotonicMs();
      const outcome = await this.deps.writer.write(batch);
      this.queue.shift();
      if (outcome === 'abandoned') {
        this.hold(-rows, -bytes, -countHeld(batch.messageList));
        continue;
      }
      // Records in the spool are in flight until it has drained; they are safe, and acknowledged.
      if (outcome === 'spooled') this.accounting.committed(batch.written, batch.droppedItems);
      else this.committed(batch, outcome, startedMs);
      this.acknowledge(batch.messageList);
      this.hold(-rows, -bytes, -countHeld(batch.messageList));
      if (outcome !== 'spooled') this.deps.writer.publish(outcome);
      if (this.queue.length === 0 && this.open !== undefined && this.due(this.open)) this.seal();
    }
  }

  private committed(batch: IngestBatch, outcome: StoreOutcome, startedMs: Millis): void {
    const nowMs = this.deps.clock.monotonicMs();
    this.accounting.committed(outcome, batch.deadLettered);
    this.lastLagMs = nowMs - batch.openedAtMs;
    this.linger.observe(nowMs - startedMs, this.deps.load?.() ?? 0);
  }

  private due(open: IngestBatch): boolean {
    return this.decisionOn(open).flush === 'now';
  }

  private decisionOn(open: IngestBatch): FlushDecision {
    const members = this.deps.members?.();
    const limits = {
      ...this.options.batch,
      lingerMs: this.linger.sparseMs(members),
      filledLingerMs: this.linger.filledMs(members),
    };
    return decideFlush(open, this.window(), limits, this.deps.clock.monotonicMs());
  }

  private window(): WindowFill {
    const { receiveMaximum, mostUnacknowledged } = this;
    return { unacknowledged: this.held.messages, receiveMaximum, mostUnacknowledged };
  }

  private async drain(): Promise<void> {
    while (this.writing !== undefined || this.open !== undefined) {
      if (this.writing === undefined) this.flush();
      await this.writing;
    }
  }

  private acknowledge(messages: readonly InboundMessage[]): void {
    this.deps.source.acknowledge(messages);
    this.redelivery.acknowledged(messages);
  }

  /** Keeps the bounded window: reading from the broker pauses while it is full. */
  private hold(rows: number, bytes: number, messages: number): void {
    this.mostUnacknowledged = Math.max(this.mostUnacknowledged, this.held.messages + messages);
    if (!this.held.add(rows, bytes, messages)) return;
    if (this.held.isFull) this.deps.source.pause();
    else this.deps.source.resume();
  }

  private exportGauges(metrics: Metrics): void {
    const rows = metrics.gauge(
      'fieldwatch_ingest_window_rows',
      'Rows received and not yet stored or spooled',
    );
    const bytes = metrics.gauge(
      'fieldwatch_ingest_window_bytes',
      'Estimated memory of messages not yet stored or spooled',
    );
    const paused = metrics.gauge(
      'fieldwatch_ingest_paused',
      '1 while reading from the broker is paused at the window limit',
    );
    metrics.onCollect(() => {
      rows.set(this.held.rows);
      bytes.set(this.held.bytes);
      paused.set(this.held.isFull ? 1 : 0);
    });
  }
}

function countHeld(messages: readonly InboundMessage[]): number {
  let count = 0;
  for (const message of messages) count += message.qos;
  return count;
}
