import { setImmediate } from 'node:timers/promises';
import type { Program } from '../app/program.ts';
import { type BatchLimits, MOST_STORED_VALUES, isFull } from '../core/ingest/batch-limits.ts';
import { FieldwatchError, messageOf } from '../core/errors.ts';
import { Arrivals } from '../core/ingest/arrival.ts';
import { type AssemblyPlan, assemble, reject } from '../core/ingest/mapping/assemble.ts';
import { compileMapping } from '../core/ingest/mapping/compile.ts';
import type { MessageContext } from '../core/ingest/mapping/context.ts';
import { readDevice } from '../core/ingest/mapping/device.ts';
import type { Fault } from '../core/ingest/mapping/draft.ts';
import { emptyDoc } from '../core/ingest/mapping/document.ts';
import { type Kept, keepYoung, keptBy } from '../core/ingest/retention-filter.ts';
import { planOf } from '../core/policy/plan.ts';
import type { Decoded } from '../core/reading.ts';
import { IngestBatch } from '../services/ingest/batch.ts';
import { ingestOptions } from '../app/options.ts';
import type { Timer } from '../ports/time.ts';
import { msOf } from './time.ts';
import { checkArgument } from './arguments.ts';
import { BatchStream } from './batch-stream.ts';
import type { ReadingInput, RecordOptions, RecordOutcome } from './monitor-types.ts';
import { RecordedReading, inspected, textOf } from './recorded-reading.ts';

const FORM = '{ sensor: string, metrics: { name: finite number, … }, time?, location? }';
const NO_TIME = { fault: 'bad_time' } as const;
/** Readings between two looks at the connection. */
const YIELD_READINGS = 500;
const MOST_DEVICES = 100_000;
/**
 * Two batches are in memory, one of them on its way: with larger ones the collector of garbage moves more of them than it frees, and takes
 * longer than the commits that are saved.
 */
const MOST_ROWS = 10_000;

/** From readings of a program to committed rows: the checks, batches, writer and alerts of the daemon. */
export class Recorder {
  private readonly program: Program;
  private readonly topic: string;
  private readonly plan: AssemblyPlan;
  private readonly kept: Kept;
  private readonly limits: BatchLimits;
  private readonly storeLimits: BatchLimits;
  private readonly arrivals = new Arrivals();
  private readonly devices = new Map<unknown, string | Fault>();
  private closed = false;

  constructor(program: Program, name: string) {
    const { config } = program;
    this.program = program;
    this.topic = `program/${name}`;
    this.plan = compileMapping({}, config.limits, config.time_window, undefined).assembly;
    this.kept = keptBy(planOf(config.policies));
    const { batch } = ingestOptions(config);
    this.limits = { ...batch, maxRows: Math.min(batch.maxRows, MOST_ROWS) };
    this.storeLimits = { ...this.limits, maxValues: MOST_STORED_VALUES };
  }

  /** Rejects with READING_REFUSED where the reading became a dead letter. */
  async one(reading: ReadingInput): Promise<RecordOutcome> {
    const batch = this.open();
    this.add(batch, reading);
    const outcome = await this.write(batch);
    const [letter] = batch.deadLetters;
    if (letter !== undefined)
      throw refused(reading, `${letter.reason}${letter.detail === undefined ? '' : `: ${letter.detail}`}`);
    if (outcome.conflict > 0) throw refused(reading, 'conflict: another value is stored under its time');
    return outcome;
  }

  /**
   * Everything taken from the source is stored, also where the source throws or `signal` aborts. An open batch of an async source waits for
   * further readings as long as that of the daemon (`ingest.batch.linger`).
   */
  async many(
    readings: Iterable<ReadingInput> | AsyncIterable<ReadingInput>,
    options: RecordOptions = {},
  ): Promise<RecordOutcome> {
    if (this.closed) throw isClosed();
    checkArgument('recordBatch', 'options', options, 'recordOptions');
    const { onProgress, signal } = options;
    const writing = new BatchStream(
      () => this.open(),
      (batch) => this.write(batch),
      onProgress,
    );
    let added = 0;
    const add = (reading: ReadingInput): Promise<unknown> | undefined => {
      this.add(writing.batch, reading);
      added += 1;
      if (this.isFull(writing.batch)) return writing.flush();
      // The commit under way goes on meanwhile: it has several answers to wait for.
      return added % YIELD_READINGS === 0 ? setImmediate() : undefined;
    };
    try {
      if (isIterable(readings)) await takeAll(readings, add, signal);
      else await this.takeArriving(readings, { add, writing, signal });
    } catch (error) {
      // What is under way is finished first: the caller may close the monitor next. A failure to write is the more telling one.
      await writing.finish();
      throw error;
    }
    return writing.finish();
  }

  /** From a source that may pause, and may never end: neither a pause nor an end of the database or by `signal` waits for its next reading. */
  private async takeArriving(
    readings: AsyncIterable<ReadingInput>,
    {
      add,
      writing,
      signal,
    }: {
      readonly add: (reading: ReadingInput) => Promise<unknown> | undefined;
      readonly writing: BatchStream;
      readonly signal: RecordOptions['signal'];
    },
  ): Promise<void> {
    signal?.throwIfAborted();
    const source = readings[Symbol.asyncIterator]();
    const { lingerMs } = this.limits;
    let linger: Timer | undefined;
    let ended = false;
    const take = async (): Promise<void> => {
      for (;;) {
        const next: IteratorResult<ReadingInput, unknown> = await source.next();
        if (next.done === true || ended) return;
        const wait = add(next.value);
        if (wait !== undefined) await wait;
        if (!writing.isEmpty) linger ??= this.program.clock.after(lingerMs, onLinger);
      }
    };
    let fail: (error: unknown) => void = () => undefined;
    const onLinger = () => {
      linger = undefined;
      if (!ended)
        writing
          .flush()
          .then(() => writing.settle())
          .catch(fail);
    };
    const onAbort = () => fail(abortReason(signal));
    try {
      await new Promise<void>((resolve, reject) => {
        fail = reject;
        signal?.addEventListener('abort', onAbort);
        take().then(resolve, reject);
      });
    } catch (error) {
      // As `for await` does, except that a source that is waiting is not waited for.
      void Promise.resolve(source.return?.()).catch(() => undefined);
      throw error;
    } finally {
      ended = true;
      linger?.cancel();
      signal?.removeEventListener('abort', onAbort);
    }
  }

  /** Later readings are refused; a write under way is not affected. */
  close(): void {
    this.closed = true;
  }

  private isFull(batch: IngestBatch): boolean {
    return isFull(batch, this.program.evaluator.evaluates ? this.limits : this.storeLimits);
  }

  private open(): IngestBatch {
    const { clock, deadLetters } = this.program;
    return new IngestBatch(clock.monotonicMs(), deadLetters);
  }

  private add(batch: IngestBatch, reading: ReadingInput): void {
    const { clock, registry } = this.program;
    const source = new RecordedReading(this.topic, reading, this.arrivals.stamp(clock.nowMs() * 1000));
    const decoded = this.check(source);
    if (decoded.kind === 'reject') batch.addDeadLetter(source, decoded.code, decoded.detail);
    else
      for (const each of decoded.readings) batch.addRow(source.take(each, registry.find(each.device)), each);
  }

  /** The checks of a message: name, time, metrics, retention. */
  private check(source: RecordedReading): Decoded {
    try {
      return this.checkParts(source);
    } catch (error) {
      // A getter of the program's own object.
      return reject('parse_error', messageOf(error));
    }
  }

  private checkParts(source: RecordedReading): Decoded {
    const { reading, arrivalUs } = source;
    if (typeof reading !== 'object' || reading === null)
      return reject('parse_error', `expected ${FORM}, received ${inspected(reading).slice(0, 80)}`);
    const { sensor, time, metrics, location } = reading;
    const timeUs = time === undefined || time === null ? undefined : Math.round(msOf(time) * 1000);
    if (Number.isNaN(timeUs)) return reject(NO_TIME.fault, inspected(time));
    if (location !== undefined && location !== null && typeof location !== 'string')
      return reject('parse_error', 'a location is text');
    const context: MessageContext = {
      topic: this.topic,
      metric: undefined,
      topicDevice: this.device(sensor),
      retain: false,
      contentType: undefined,
      captures: typeof location === 'string' ? new Map([['location', location]]) : NO_CAPTURES,
      receivedAtUs: arrivalUs,
      limits: this.program.config.limits,
    };
    const draft = {
      record: NO_RECORD,
      timeUs,
      verbatim: true,
      metrics:
        typeof metrics === 'object' && metrics !== null && !Array.isArray(metrics) ? metrics : NO_RECORD,
    };
    const decoded = keepYoung(assemble(this.plan, draft, context), source, this.kept);
    return decoded.kind === 'reject' && decoded.detail === undefined && decoded.code === 'no_metrics'
      ? reject(decoded.code, `expected ${FORM}`)
      : decoded;
  }

  /** Checked once: programs record the same sensors again and again. */
  private device(sensor: unknown): string | Fault {
    const known = this.devices.get(sensor);
    if (known !== undefined) return known;
    const device = readDevice(sensor);
    if (this.devices.size >= MOST_DEVICES) this.devices.clear();
    this.devices.set(sensor, device);
    return device;
  }

  private async write(batch: IngestBatch): Promise<RecordOutcome> {
    if (this.closed) throw isClosed();
    const { writer } = this.program;
    const written = await writer.write(batch);
    if (typeof written === 'string') throw notStored(writer.lastFailure);
    writer.publish(written);
    const { stored, duplicate, merged, conflict } = written;
    return { stored, duplicate, merged, conflict, deadLettered: batch.deadLettered };
  }
}

async function takeAll(
  readings: Iterable<ReadingInput>,
  add: (reading: ReadingInput) => Promise<unknown> | undefined,
  signal: RecordOptions['signal'],
): Promise<void> {
  signal?.throwIfAborted();
  // `for await` waits for each reading, and that takes as long as to check it.
  for (const reading of readings) {
    const wait = add(reading);
    if (wait === undefined) continue;
    await wait;
    signal?.throwIfAborted();
  }
}

function isIterable(
  readings: Iterable<ReadingInput> | AsyncIterable<ReadingInput>,
): readings is Iterable<ReadingInput> {
  const given: unknown = readings;
  if (typeof given === 'object' && given !== null) {
    if (Symbol.iterator in given) return true;
    if (Symbol.asyncIterator in given) return false;
  }
  throw new FieldwatchError('recordBatch: expected an iterable or async iterable of readings', {
    code: 'READINGS_NOT_ITERABLE',
    kind: 'bug',
    remedy: 'one reading is recorded with recordReading',
  });
}

function abortReason(signal: RecordOptions['signal']): unknown {
  try {
    signal?.throwIfAborted();
  } catch (reason) {
    return reason;
  }
  return new Error('aborted');
}

const NO_CAPTURES: ReadonlyMap<string, string> = new Map();
const NO_RECORD = emptyDoc();

const refused = (reading: ReadingInput, why: string) =>
  new FieldwatchError(`the reading of ${sensorText(reading)} was not stored: ${why}`, {
    code: 'READING_REFUSED',
    kind: 'data',
    remedy: 'it is kept as a dead letter: fieldwatch dead-letters list',
  });

function sensorText(reading: ReadingInput): string {
  try {
    return textOf(reading.sensor ?? null);
  } catch {
    return 'null';
  }
}

export const isClosed = () =>
  new FieldwatchError('the monitor is closed', { code: 'MONITOR_CLOSED', kind: 'bug' });

const notStored = (cause: unknown): Error => (cause instanceof Error ? cause : isClosed());
