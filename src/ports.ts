import type { AlertBatch, AlertNotification, AlertStateRow } from './core/alert/model.ts';
import type { Dispatch } from './core/notify/dispatch.ts';
import type { Kind, KindCount } from './core/notify/grouping.ts';
import type { Silence } from './core/alert/suppress/silence.ts';
import type { Catalog } from './core/policy/catalog.ts';
import type { SystemAlert, SystemAlertChanges } from './core/policy/episode.ts';
import type { Micros, Millis, RejectCode } from './core/reading.ts';

/**
 * The seams. Services are written against these interfaces only; adapters implement them; app.ts joins the two.
 * Nothing here knows MQTT.js, pg, pino or prom-client.
 */

// --- Time -----------------------------------------------------------------------------------------------------

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Wall clock, milliseconds since the Unix epoch. May jump. */
  nowMs(): Millis;
  /** Monotonic milliseconds from an arbitrary origin: for durations. */
  monotonicMs(): number;
  /** One shot. The timer keeps the process alive only as long as something else does. */
  after(delayMs: number, run: () => void): Timer;
}

// --- Logging and metrics --------------------------------------------------------------------------------------

export type LogFields = Readonly<Record<string, unknown>>;

/** The calling convention of pino: fields first, then a constant message. Text from the network is a value. */
export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  child(bindings: LogFields): Logger;
}

export type Labels = Readonly<Record<string, string>>;
export interface Counter {
  inc(by?: number, labels?: Labels): void;
}
export interface Gauge {
  set(value: number, labels?: Labels): void;
}
export interface Histogram {
  observe(value: number, labels?: Labels): void;
}

/** Names follow Prometheus: `fieldwatch_<what>_<unit>[_total]`. Registering a name twice gives the same metric. */
export interface Metrics {
  counter(name: string, help: string, labelNames?: readonly string[]): Counter;
  gauge(name: string, help: string, labelNames?: readonly string[]): Gauge;
  histogram(
    name: string,
    help: string,
    buckets: readonly number[],
    labelNames?: readonly string[],
  ): Histogram;
  /** Runs before each scrape; for gauges that are read, not pushed. */
  onCollect(collect: () => void): void;
}

// --- Messages -------------------------------------------------------------------------------------------------

/** One MQTT publish as it arrived. Held until its rows are safe; then it goes back to `acknowledge`. */
export interface InboundMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  /** 0 needs no acknowledgement. Subscriptions never ask for 2. */
  readonly qos: 0 | 1;
  readonly retain: boolean;
  readonly dup: boolean;
  readonly receivedAtMs: Millis;
  /** MQTT 5 content type, where the publisher gave one. */
  readonly contentType: string | undefined;
  /** The connection that delivered it: an acknowledgement never crosses to another. */
  readonly epoch: number;
  /** Packet identifier within the connection; 0 at QoS 0. */
  readonly packetId: number;
}

export type Connectivity =
  | { readonly state: 'connecting' }
  | {
      readonly state: 'connected';
      readonly sessionPresent: boolean;
      readonly receiveMaximum: number;
      readonly protocolVersion: 4 | 5;
    }
  /** Follows `connected`, and every change of the filters: the broker has answered for each. */
  | { readonly state: 'subscribed'; readonly active: number; readonly refused: number }
  | { readonly state: 'disconnected'; readonly reason: string; readonly retryInMs: number };

export interface MessageHandlers {
  /** Called for each publish in arrival order. Must not throw and must not block. */
  onMessage(message: InboundMessage): void;
  onConnectivity(connectivity: Connectivity): void;
}

export interface MessageSource {
  /** Resolves once the first connection attempt is under way; a broker that is away is not an error. */
  start(handlers: MessageHandlers): Promise<void>;
  /** Sends the PUBACKs of messages whose rows are safe, in one write. Messages of an older connection are dropped. */
  acknowledge(messages: readonly InboundMessage[]): void;
  /** Stops reading from the socket while pings go on: the bounded window's last line. Idempotent. */
  pause(): void;
  resume(): void;
  /** New topic filters after a reload: subscribes what is new, unsubscribes what is gone. */
  resubscribe(filters: readonly string[]): Promise<void>;
  /** No further `onMessage`; acknowledgements still go out until `stop`. */
  stopReceiving(): Promise<void>;
  /** Sends what is owed, says goodbye (status offline), closes. Idempotent. */
  stop(): Promise<void>;
}

// --- Sensors --------------------------------------------------------------------------------------------------

export interface Sensor {
  readonly id: number;
  /** The device's own name, as decoded. */
  readonly key: string;
  readonly name: string | null;
  readonly type: string | null;
  readonly location: string | null;
  readonly tags: readonly string[];
}

/** A device that sends for the first time, and what its topic tells of it. */
export interface NewDevice {
  readonly key: string;
  readonly location?: string | undefined;
}

export interface SensorDirectory {
  /** All registered sensors. */
  loadAll(): Promise<readonly Sensor[]>;
  /** Registers unknown devices; returns the sensor of each, whoever registered it. Safe against other daemons. */
  register(devices: readonly NewDevice[]): Promise<readonly Sensor[]>;
  /** Gives the sensors among `devices` that have no location theirs; returns all of them. */
  locate(devices: readonly NewDevice[]): Promise<readonly Sensor[]>;
  /** Those of `keys` that are registered; registers none. */
  find(keys: readonly string[]): Promise<readonly Sensor[]>;
}

// --- Storing --------------------------------------------------------------------------------------------------

/** A reading whose sensor is known: one row for the store. */
export interface StorableReading {
  readonly sensorId: number;
  readonly timeUs: Micros;
  readonly metrics: ReadonlyMap<string, number>;
}

export interface DeadLetter {
  /** A UUID of its own: a letter that is stored again under it is stored once. Without one the store gives it one. */
  readonly id?: string;
  readonly receivedAtMs: Millis;
  readonly topic: string;
  readonly payload: Uint8Array;
  /** A reject code, `sensor_rejected`, or an SQLSTATE. */
  readonly reason: RejectCode | (string & {});
  readonly detail: string | undefined;
}

/** What one transaction writes. */
export interface StoreBatch {
  readonly readings: readonly StorableReading[];
  readonly deadLetters: readonly DeadLetter[];
  readonly alerts: AlertBatch;
  /**
   * True when an earlier attempt at these readings failed with its outcome unknown (a lost COMMIT reply): what is
   * stored already is then a duplicate, so the store goes straight to staging and merge.
   */
  readonly retry: boolean;
}

/** Readings by outcome; the four add up to the readings of the batch. */
export interface StoreOutcome {
  /** New rows. */
  readonly stored: number;
  /** Identical to what is stored. */
  readonly duplicate: number;
  /** Filled in metrics that the stored reading lacked. */
  readonly merged: number;
  /** Another value for a stored metric: the first is kept. */
  readonly conflict: number;
}

/** A row that the database refused; the batch was rolled back and must be sent again without it. */
export interface RowRefused {
  readonly kind: 'row_refused';
  /** Index into `StoreBatch.readings`. */
  readonly index: number;
  readonly sqlstate: string;
  readonly message: string;
}

export interface ReadingStore {
  /**
   * One transaction. Resolves once it is committed. A refused row is a result, not an exception; every other failure
   * rejects with a FieldwatchError whose `kind` says whether to try again (`transient`) or to stop writing. `signal` ends
   * the wait for an answer: the commit then rejects as with a lost connection, its outcome unknown.
   */
  commit(
    batch: StoreBatch,
    signal?: AbortSignal,
  ): Promise<({ readonly kind: 'committed' } & StoreOutcome) | RowRefused>;
  close(): Promise<void>;
}

// --- The spool ------------------------------------------------------------------------------------------------

/**
 * `alerts`: what the alert engine made of a batch while the database was away; committed in order, and before the next
 * live batch. `unresolved`: readings of devices that the engine or the registry does not know yet; evaluated and
 * committed after those, in order. `readings`: all the others, and dead letters; they drain in the background.
 */
export const SPOOL_LANES = ['alerts', 'unresolved', 'readings'] as const;
export type SpoolLane = (typeof SPOOL_LANES)[number];

/** As much of a message as a dead letter needs. Readings of one message share the object. */
export interface SpooledMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly receivedAtMs: Millis;
}

/** A reading on its way through the spool. `sensorId` is 0 where the sensor is not known yet. */
export interface SpooledReading extends StorableReading {
  readonly key: string;
  readonly location: string | undefined;
  readonly receivedAtMs: Millis;
  readonly message: SpooledMessage;
}

export interface SpoolRecord {
  readonly lane: SpoolLane;
  /** A UUID of its own: what is derived from the record has the same identity at every attempt. */
  readonly id: string;
  readonly readings: readonly SpooledReading[];
  readonly deadLetters: readonly DeadLetter[];
  readonly alerts: AlertBatch;
}

/** A record as it lies in the spool. */
export interface SpooledRecord extends SpoolRecord {
  /** Position in its lane. */
  readonly seq: number;
  /** Its alert lines are out. */
  readonly told: boolean;
}

/** An amount of spooled data. Items are readings and dead letters. */
export interface SpoolAmount {
  readonly records: number;
  readonly items: number;
  readonly bytes: number;
}

export interface SpoolContents {
  readonly lanes: Readonly<Record<SpoolLane, SpoolAmount>>;
  /** Set aside after failures that no rule explains; it waits for the next start. */
  readonly parked: SpoolAmount;
  /** When the oldest record (parked ones apart) was written. */
  readonly oldestAtMs: Millis | undefined;
  /** Found damaged, kept aside as files, since start. `items` is 0 where nobody can tell. */
  readonly damaged: SpoolAmount;
}

/**
 * Store and forward on disk. One owner at a time. Failures reject with a FieldwatchError of kind `transient`:
 * `SPOOL_FULL` where there is no room, `SPOOL_IO` where the disk fails; both may pass.
 */
export interface Spool {
  readonly contents: SpoolContents;
  /** All or nothing; resolves once it is on disk for good (one fsync for all). */
  append(records: readonly SpoolRecord[]): Promise<readonly SpooledRecord[]>;
  /** The oldest records of a lane: at least one if there is any, and no more than `maxItems` items if there are several. */
  oldest(lane: SpoolLane, maxItems: number): Promise<readonly SpooledRecord[]>;
  /** Forgets what is safe elsewhere; resolves once that is on disk for good. */
  remove(records: readonly SpooledRecord[]): Promise<void>;
  /** Remembers that the alert lines of the record are out. */
  markTold(record: SpooledRecord): Promise<void>;
  /** Sets a record aside that cannot be stored; its alert states go, since later ones will have taken their place. */
  park(record: SpooledRecord): Promise<void>;
  /** Puts all parked records back at the end of their lanes. */
  unpark(): Promise<void>;
  close(): Promise<void>;
}

/** Late readings that were stored: the aggregates over this span are out of date. `fromUs <= time <= toUs`. */
export interface LateRange {
  readonly fromUs: Micros;
  readonly toUs: Micros;
}

/** Told after each commit of readings older than `compress_after`. Must not throw. */
export type OnLateStored = (range: LateRange) => void;

/** The newest stored value of a (sensor, metric) within a span. */
export interface LastReading {
  readonly sensorId: number;
  readonly metric: string;
  readonly timeUs: Micros;
  readonly value: number;
}

/** Which stored readings to look at: `fromUs <= time <= toUs`. */
export interface ReadingSpan {
  readonly sensorId: number;
  readonly fromUs: Micros;
  readonly toUs: Micros;
}

/** What the alert engine reads back. It writes only through `ReadingStore.commit`, in the batch's transaction. */
export interface AlertStore {
  /** Every row of `alert_state`. */
  loadStates(): Promise<readonly AlertStateRow[]>;
  /** The newest non-null value per (sensor, metric) within each span, core and narrow metrics alike; one query. */
  loadLastReadings(spans: readonly ReadingSpan[]): Promise<readonly LastReading[]>;
  /** Outbox rows that were never marked sent, oldest first: what a crash kept from being announced. */
  pendingNotifications(): Promise<readonly AlertNotification[]>;
  /** Marks them as logged and queues their deliveries, in one transaction. What is queued already stays as it is. */
  markSent(sent: readonly NotificationKey[], deliveries?: readonly NewDelivery[]): Promise<void>;
}

/** A command that no daemon has carried out yet. */
export interface WaitingCommand {
  readonly id: string;
  readonly kind: 'ack' | 'resolve';
  readonly sensorId: number;
  readonly alertType: string;
  /** The episode that was meant; null: whichever is open. */
  readonly alertId: string | null;
  readonly by: string;
  readonly comment: string;
  /** How long it has waited, by the database's clock. */
  readonly ageMs: number;
}

/** What operators asked for, from other processes. Commands are marked as done by `ReadingStore.commit`. */
export interface OperatorStore {
  /** Silences that end after `sinceMs`, and commands that wait, oldest first. */
  look(sinceMs: Millis): Promise<{
    readonly silences: readonly Silence[];
    readonly commands: readonly WaitingCommand[];
  }>;
}

/** The alert log's own file: one JSON line per notification. Never throws; a failure is counted by the adapter. */
export interface AlertLog {
  write(line: string): void;
  /** Which of these are in it already, as far back as it can be read: what a crash kept from being marked. */
  holds?(keys: readonly NotificationKey[]): ReadonlySet<string>;
}

// --- Notifying ------------------------------------------------------------------------------------------------

/** A notification's name: the episode, and its number in it. */
export type NotificationKey = Pick<AlertNotification, 'alertId' | 'seq'>;

/** A notification that one sink is to be told of. */
export interface NewDelivery extends NotificationKey {
  readonly sink: string;
  readonly event: AlertNotification['event'];
  readonly alertType: string;
  /** Only if an earlier one of the episode was queued for the sink. */
  readonly ifTold: boolean;
}

/** Where notifications go: one implementation per kind of sink. */
export interface NotificationSink {
  readonly kind: string;
  /**
   * How it takes many: `single` one by one, `batch` several in one call, `group` the first few that stand for all of
   * one kind.
   */
  readonly takes: 'single' | 'batch' | 'group';
  /** Resolves once the far side has taken it; rejects with a SinkError that says whether to try again. */
  send(dispatch: Dispatch, signal: AbortSignal): Promise<void>;
  /** For a far side that forgets what it is not told again. */
  readonly upkeep?: SinkUpkeep;
  /** Whether it could be told now, without telling it anything: what answered, in words. Rejects like `send`. */
  probe(signal: AbortSignal): Promise<string>;
  close(): Promise<void>;
}

export interface SinkUpkeep {
  readonly everyMs: number;
  /** The newest notification of each episode that the sink was told of, at the start and after another daemon's turn. */
  restore(told: readonly ToldEpisode[]): void;
  run(signal: AbortSignal): Promise<void>;
}

/** An episode that a sink was told of: it is open, or ended a short while ago. */
export interface ToldEpisode {
  readonly notification: AlertNotification;
  /** When the sink took the newest notification. */
  readonly toldAtMs: Millis;
}

export type DeliveryOutcome = 'sent' | 'collapsed' | 'refused' | 'dropped' | 'expired';

export interface QueuedNotification {
  readonly id: number;
  readonly notification: AlertNotification;
}

/** The first of a kind, and how far the queue was looked at: what comes later is not among them. */
export interface QueuedGroup {
  readonly first: readonly AlertNotification[];
  readonly total: number;
  readonly lastId: number;
}

/** What one sink is still to be told, oldest first. */
export interface SinkQueue {
  kinds(): Promise<readonly KindCount[]>;
  /** None of an episode of which an earlier one waits: an episode is told in order. */
  next(limit: number, except: readonly Kind[]): Promise<readonly QueuedNotification[]>;
  group(kind: Kind, names: number): Promise<QueuedGroup>;
  settle(ids: readonly number[], outcome: DeliveryOutcome): Promise<void>;
  settleGroup(kind: Kind, group: QueuedGroup, outcome: DeliveryOutcome): Promise<void>;
}

export interface QueueBounds {
  readonly max: number;
  readonly maxAgeMs: number;
  /** What has waited for so long is not told any more when something newer of its episode waits, too. */
  readonly collapseAfterMs: number;
}

export interface QueueCare {
  readonly queued: number;
  readonly collapsed: number;
  readonly dropped: number;
  readonly expired: number;
}

/** How sending to a sink goes, for those who ask the database. */
export interface SinkReport {
  readonly sent: number;
  readonly refused: number;
  readonly dropped: number;
  /** Why it takes nothing, and since when; null while it takes them. */
  readonly failure: { readonly message: string; readonly sinceMs: Millis } | null;
  /** Why it refused the last one that it refused. */
  readonly refusal: string | undefined;
}

/** The queues of the sinks, kept in the database: several daemons may share them, one at a time serves a sink. */
export interface DeliveryStore {
  queueOf(sink: string): SinkQueue;
  /** Takes or keeps the sink for `owner`; false while another daemon has it. */
  lease(
    sink: { readonly name: string; readonly kind: string },
    owner: string,
    ttlMs: number,
  ): Promise<boolean>;
  release(sink: string, owner: string): Promise<void>;
  /** Enforces the bounds: collapses, expires, drops the oldest. */
  care(sink: string, bounds: QueueBounds): Promise<QueueCare>;
  /** What was sent while the database was away: known from now on, whether or not it was queued already. */
  record(sink: string, sent: readonly AlertNotification[]): Promise<void>;
  told(sink: string, resolvedWithinMs: number): Promise<readonly ToldEpisode[]>;
  report(sink: string, report: SinkReport): Promise<void>;
}

/** One of the daemon's own figures at one time. */
export interface Figure {
  /** As in /metrics: `fieldwatch_intake_items`. */
  readonly name: string;
  readonly labels: Labels;
  readonly value: number;
}

/** Where the daemon's own figures are kept. */
export interface FigureStore {
  write(atMs: Millis, figures: readonly Figure[]): Promise<void>;
}

// --- Looking after the database -------------------------------------------------------------------------------

/** Alerts of the system: what the policies' verification found, as episodes. */
export interface SystemAlertStore {
  /** Those that last. */
  open(): Promise<readonly SystemAlert[]>;
  /** Episodes and their notifications, in one transaction. */
  commit(changes: SystemAlertChanges): Promise<void>;
}

/** A lock that one daemon of several holds: the scheduler's leadership. */
export interface LeaderLock {
  /** True while this process holds the lock; tries to take it otherwise. Never waits. */
  tryHold(): Promise<boolean>;
  release(): Promise<void>;
}

/** A tick of a schedule: due now, or found to have been missed (the process was stopped, suspended or too busy). */
export interface CronTick {
  readonly kind: 'due' | 'missed';
  readonly atMs: Millis;
}

export interface CronTask {
  /** No tick after this. Idempotent. */
  stop(): void;
}

/** Cron expressions: five fields, or six with seconds first. Missed ticks are told, never replayed. */
export interface Cron {
  schedule(expression: string, timezone: string, run: (tick: CronTick) => void): CronTask;
  validate(expression: string): boolean;
}

export type { Catalog };
