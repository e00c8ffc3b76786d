import type { AlertPreview } from '../../core/alert/engine/preview.ts';
import type { BatchFill } from '../../core/ingest/batch-limits.ts';
import {
  type Micros,
  type Millis,
  type Reading,
  type RejectCode,
  isAvailability,
} from '../../core/reading.ts';
import type { InboundMessage } from '../../ports/messages.ts';
import type { NewDevice, Sensor } from '../../ports/sensors.ts';
import { type DeadLetter, type StoreOutcome, itemsOfLetters } from '../../ports/store.ts';
import type { DeadLetterBudget } from './dead-letter-budget.ts';
import { LetterBook, type LetterSource } from './dead-letter.ts';

/** A reading on its way into the database. One object serves the alert engine and the store. */
export interface IngestRow {
  readonly key: string;
  readonly timeUs: Micros;
  readonly receivedAtMs: Millis;
  readonly metrics: ReadonlyMap<string, number>;
  readonly message: LetterSource;
  /** Its time is that of the arrival, or relative to it. */
  readonly stamped?: boolean | undefined;
  /** A retained message: it is no sign of life. */
  readonly retained: boolean;
  /** Undefined until the batch is written, for a device that was unknown on arrival. */
  sensor: Sensor | undefined;
  sensorId: number;
  /** It is in the spool already, or has nothing to store: it is evaluated with its batch, and not stored with it. */
  spooled: boolean;
  /** Its alerts are published already, since the commit of its batch takes long. */
  previewedBy: AlertPreview | undefined;
}

/** A row whose sensor is known. */
export type ResolvedRow = IngestRow & { readonly sensor: Sensor };

/** Rough memory of a row and of a message without its payload: what the bounded window counts. */
const ROW_BYTES = 300;
const MESSAGE_BYTES = 300;
/**
 * A row has room for a few values; each further one costs memory, and a row of its own in the database. Counted, so that a
 * batch is full before its evaluation and encoding block the event loop for long, whatever the messages look like.
 */
const VALUES_OF_A_ROW = 8;
const VALUE_BYTES = 64;

/** Messages that share one transaction, and what they decoded to. */
export class IngestBatch implements BatchFill {
  readonly messageList: InboundMessage[] = [];
  rowList: IngestRow[] = [];
  private readonly book: LetterBook;
  readonly openedAtMs: number;
  /** Devices that were unknown on arrival, or whose location or gateway was, or that are back, by key. */
  readonly unknown = new Map<string, NewDevice>();
  /** Availabilities whose sensor was unknown on arrival. */
  seekSensor = false;
  bytes = 0;
  values = 0;
  /** An attempt to store it failed: its rows may be in the database already. */
  retry = false;
  /** The outcome of the rows that were committed in pieces; they are no longer in `rowList`. */
  written: StoreOutcome = { stored: 0, duplicate: 0, merged: 0, conflict: 0 };

  constructor(openedAtMs: number, budget?: DeadLetterBudget) {
    this.openedAtMs = openedAtMs;
    this.book = new LetterBook(budget);
  }

  get rows(): number {
    return this.rowList.length + this.deadLetters.length;
  }

  get deadLetters(): DeadLetter[] {
    return this.book.letters;
  }

  /** Items that became dead letters, kept or only counted. */
  get deadLettered(): number {
    return itemsOfLetters(this.deadLetters) + this.book.dropped;
  }

  /** Items among them that are only counted, since there were too many in this minute. */
  get droppedItems(): number {
    return this.book.dropped;
  }

  get messages(): number {
    return this.messageList.length;
  }

  addMessage(message: InboundMessage): void {
    this.messageList.push(message);
    this.bytes += message.payload.length + MESSAGE_BYTES;
  }

  addReading(
    reading: Pick<Reading, 'device' | 'timeUs' | 'location' | 'metrics'> & {
      readonly gateway?: string | undefined;
      readonly stamped?: boolean | undefined;
    },
    message: LetterSource,
    receivedAtMs: Millis,
    sensor: Sensor | undefined,
  ): void {
    const row: IngestRow = {
      key: reading.device,
      timeUs: reading.timeUs,
      receivedAtMs,
      metrics: reading.metrics,
      message,
      stamped: reading.stamped,
      sensor,
      sensorId: sensor === undefined ? 0 : sensor.id,
      retained: message.retain === true,
      spooled: false,
      previewedBy: undefined,
    };
    this.addRow(row, reading);
  }

  /** `of`: what the reading of the row says of its sensor. */
  addRow(row: IngestRow, of: Pick<Reading, 'location'> & { readonly gateway?: string | undefined }): void {
    const { key, sensor, metrics } = row;
    row.spooled = isAvailability(row);
    // It reports whether a sensor is online, and does not register one.
    if (row.spooled) this.seekSensor ||= sensor === undefined;
    else if (sensor === undefined || isIncomplete(sensor, of, row.retained)) {
      const { location, gateway } = of;
      this.unknown.set(key, { key, location, gateway });
    }
    this.rowList.push(row);
    this.values += metrics.size;
    this.bytes += ROW_BYTES + VALUE_BYTES * Math.max(0, metrics.size - VALUES_OF_A_ROW);
  }

  addDeadLetter(message: LetterSource, reason: RejectCode | (string & {}), detail: string | undefined): void {
    if (this.book.add(message, reason, detail)) this.bytes += ROW_BYTES;
  }

  /** The first `rows` rows are committed. */
  recordOutcome(rows: number, { stored, duplicate, merged, conflict }: StoreOutcome): void {
    this.rowList = rows === this.rowList.length ? [] : this.rowList.slice(rows);
    const { written } = this;
    this.written = {
      stored: written.stored + stored,
      duplicate: written.duplicate + duplicate,
      merged: written.merged + merged,
      conflict: written.conflict + conflict,
    };
  }

  /** After a change of sensors: keys that `find` does not know are unknown again, and some were retired until they are seen. */
  resolveAgain(find: (key: string) => Sensor | undefined): void {
    for (const row of this.rowList) {
      row.sensor = find(row.key);
      row.sensorId = row.sensor?.id ?? 0;
      if (row.sensor !== undefined) {
        if (row.sensor.retired === 'until_seen' && !row.retained && !isAvailability(row))
          this.unknown.set(row.key, { key: row.key });
        continue;
      }
      if (isAvailability(row)) this.seekSensor = true;
      else this.unknown.set(row.key, { key: row.key });
    }
  }

  /**
   * Groups the rows by sensor, in their order: a piece of them then touches as few compressed segments as possible, and the
   * result of the evaluation is the same.
   */
  groupBySensor(): void {
    this.rowList.sort((a, b) => a.sensorId - b.sensorId);
  }

  /** Removes rows, in one pass, and keeps their messages as dead letters. */
  refuse(refused: ReadonlyMap<IngestRow, { readonly reason: string; readonly detail: string }>): void {
    this.rowList = this.rowList.filter((row) => !refused.has(row));
    for (const [row, { reason, detail }] of refused) {
      row.previewedBy?.spoil();
      this.reject(row, reason, detail);
    }
  }

  /** Keeps the message of a row, which is already removed from the batch, as a dead letter. */
  reject(row: IngestRow, reason: string, detail: string): void {
    this.addDeadLetter(row.message, reason, detail);
  }
}

/** The topic names what is not known of it, or it is back. */
const isIncomplete = (
  { location, gateway, retired, followsTopic, isMoving }: Sensor,
  reading: { readonly location: string | undefined; readonly gateway?: string | undefined },
  retained: boolean,
): boolean =>
  (location === null && reading.location !== undefined) ||
  (reading.gateway !== undefined && (gateway ?? null) === null) ||
  (retired === 'until_seen' && !retained) ||
  (followsTopic === true &&
    reading.location !== undefined &&
    (isMoving === true || reading.location !== location) &&
    !retained);
