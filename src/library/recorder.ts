import { setImmediate } from 'node:timers/promises';
import type { Program } from '../app/program.ts';
import { isFull, type BatchLimits } from '../core/ingest/batch-limits.ts';
import { FieldwatchError } from '../core/errors.ts';
import { Arrivals } from '../core/ingest/arrival.ts';
import { type AssemblyPlan, assemble, reject } from '../core/ingest/mapping/assemble.ts';
import { compileMapping } from '../core/ingest/mapping/compile.ts';
import type { MessageContext } from '../core/ingest/mapping/context.ts';
import { readDevice } from '../core/ingest/mapping/device.ts';
import type { Fault } from '../core/ingest/mapping/draft.ts';
import { emptyDoc } from '../core/ingest/mapping/document.ts';
import { type Kept, keepYoung, keptBy } from '../core/ingest/retention-filter.ts';
import { planOf } from '../core/policy/plan.ts';
import type { Decoded, Micros } from '../core/reading.ts';
import { IngestBatch } from '../services/ingest/batch.ts';
import type { LetterSource } from '../services/ingest/dead-letter.ts';
import { ingestOptions } from '../app/options.ts';
import { msOf } from './time.ts';
import type { ReadingInput, RecordOptions, RecordOutcome } from './monitor-types.ts';

const NOTHING: RecordOutcome = { stored: 0, duplicate: 0, merged: 0, conflict: 0, deadLettered: 0 };
const NO_TIME = { fault: 'bad_time' } as const;
/** Readings between two looks at the connection. */
const YIELD_READINGS = 500;
const MOST_DEVICES = 100_000;

/** A reading as the source of its dead letter: its text is made only if there is one. */
class RecordedReading implements LetterSource {
  readonly topic: string;
  readonly receivedAtMs: number;
  readonly arrivalUs: Micros;
  readonly reading: ReadingInput;

  constructor(topic: string, reading: ReadingInput, arrivalUs: Micros) {
    this.topic = topic;
    this.reading = reading;
    this.arrivalUs = arrivalUs;
    this.receivedAtMs = Math.floor(arrivalUs / 1000);
  }

  get payload(): Uint8Array {
    return new TextEncoder().encode(JSON.stringify(this.reading) ?? 'null');
  }
}

/** From readings of a program to committed rows: the checks, batches, writer and alerts of the daemon. */
export class Recorder {
  private readonly program: Program;
  private readonly topic: string;
  private readonly plan: AssemblyPlan;
  private readonly kept: Kept;
  private readonly limits: BatchLimits;
  private readonly arrivals = new Arrivals();
  private readonly devices = new Map<unknown, string | Fault>();
  private closed = false;

  constructor(program: Program, name: string) {
    const { config } = program;
    this.program = program;
    this.topic = `program/${name}`;
    this.plan = compileMapping({}, config.limits, config.time_window, undefined).assembly;
    this.kept = keptBy(planOf(config.policies));
    this.limits = ingestOptions(config).batch;
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

  async many(
    readings: Iterable<ReadingInput> | AsyncIterable<ReadingInput>,
    { onProgress, signal }: RecordOptions = {},
  ): Promise<RecordOutcome> {
    let total = NOTHING;
    let writing: Promise<RecordOutcome> | undefined;
    const settle = async () => {
      if (writing === undefined) return;
      total = sum(total, await writing);
      writing = undefined;
      onProgress?.(total);
    };
    let batch = this.open();
    const flush = async () => {
      await settle();
      signal?.throwIfAborted();
      writing = this.write(batch);
      // Awaited with the next batch: until then it is no unhandled rejection.
      writing.catch(() => undefined);
      batch = this.open();
    };
    try {
      let added = 0;
      const add = (reading: ReadingInput): Promise<unknown> | undefined => {
        this.add(batch, reading);
        added += 1;
        if (isFull(batch, this.limits)) return flush();
        // The commit under way goes on meanwhile: it has several answers to wait for.
        return added % YIELD_READINGS === 0 ? setImmediate() : undefined;
      };
      // `for await` waits for each reading, and that takes as long as to check it.
      if (Symbol.iterator in readings)
        for (const reading of readings) {
          const wait = add(reading);
          if (wait !== undefined) await wait;
        }
      else
        for await (const reading of readings) {
          const wait = add(reading);
          if (wait !== undefined) await wait;
        }
      if (batch.rows > 0 || batch.deadLettered > 0) await flush();
    } catch (error) {
      // What is under way is finished first: the caller may close the monitor next.
      await settle();
      throw error;
    }
    await settle();
    return total;
  }

  /** What follows is refused; what is being written is not affected. */
  close(): void {
    this.closed = true;
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
      for (const each of decoded.readings)
        batch.addReading(each, source, source.receivedAtMs, registry.find(each.device));
  }

  /** The checks of a message: name, time, metrics, retention. */
  private check(source: RecordedReading): Decoded {
    const { reading, arrivalUs } = source;
    if (typeof reading !== 'object' || reading === null)
      return reject('parse_error', 'a reading is an object');
    const { sensor, time, metrics, location } = reading;
    const timeUs = time === undefined || time === null ? undefined : Math.round(msOf(time) * 1000);
    if (Number.isNaN(timeUs)) return reject(NO_TIME.fault, String(time));
    const context: MessageContext = {
      topic: this.topic,
      metric: undefined,
      topicDevice: this.device(sensor),
      retain: false,
      contentType: undefined,
      captures: location === undefined ? NO_CAPTURES : new Map([['location', location]]),
      receivedAtUs: arrivalUs,
      limits: this.program.config.limits,
    };
    const draft = {
      record: NO_RECORD,
      timeUs,
      verbatim: true,
      metrics: typeof metrics === 'object' && metrics !== null ? metrics : NO_RECORD,
    };
    return keepYoung(assemble(this.plan, draft, context), source, this.kept);
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

const NO_CAPTURES: ReadonlyMap<string, string> = new Map();
const NO_RECORD = emptyDoc();

const sum = (a: RecordOutcome, b: RecordOutcome): RecordOutcome => ({
  stored: a.stored + b.stored,
  duplicate: a.duplicate + b.duplicate,
  merged: a.merged + b.merged,
  conflict: a.conflict + b.conflict,
  deadLettered: a.deadLettered + b.deadLettered,
});

const refused = (reading: ReadingInput, why: string) =>
  new FieldwatchError(`the reading of ${JSON.stringify(reading?.sensor ?? null)} was not stored: ${why}`, {
    code: 'READING_REFUSED',
    kind: 'data',
    remedy: 'it is kept as a dead letter: fieldwatch dead-letters list',
  });

const isClosed = () =>
  new FieldwatchError('not stored: the monitor is closed', { code: 'MONITOR_CLOSED', kind: 'bug' });

const notStored = (cause: unknown): Error => (cause instanceof Error ? cause : isClosed());
