import { FieldwatchError } from '../../core/errors.ts';
import { type Finding, compareFindings } from '../../core/policy/finding.ts';
import { PollLoop } from '../../lib/poll-loop.ts';
import { endsWithin } from '../../lib/timeout.ts';
import type { Clock, Timer } from '../../ports/time.ts';
import type { Intake } from '../contract/status.ts';
import type { EventHub, NewEvent } from './hub.ts';

/** Where changes are read that only the database knows. Rejects while it does not answer. */
export interface StoredChanges {
  /** From the next poll on. */
  begin(): void;
  /** A poll has succeeded since then. */
  readonly hasBegun: boolean;
  /** Changes since the last poll, oldest first; undefined: too many to send one by one. */
  poll(): Promise<readonly NewEvent[] | undefined>;
  /** New values of these sensors. */
  values(keys: readonly string[]): Promise<readonly (NewEvent & { readonly sensor: string })[]>;
}

export interface FeedOptions {
  readonly hub: EventHub;
  readonly clock: Clock;
  readonly intake: () => Intake;
  readonly findings: () => readonly Finding[];
  readonly changes: StoredChanges;
  /** Before a change is sent. */
  readonly onChange: () => void;
  readonly onError: (error: unknown) => void;
}

const EVERY_MS = 1000;
/** After the last one has gone: a page that is loaded again goes on where it was. */
const LINGER_MS = 15_000;
/** A page waits no longer for a database that may not answer at all. */
const FIRST_POLL_MS = 2000;
/** After `reset` every client reads everything again: not more often, whatever happens. */
const RESET_EVERY_MS = 10_000;
const MOST_SENSORS = 200;

/** Turns changes into events, once a second while a client is connected. */
export class EventFeed {
  readonly #options: FeedOptions;
  /** Figures from memory wait for no database. */
  #loops: readonly PollLoop[] = [];
  #lingering: Timer | undefined;
  #findings: readonly Finding[] = [];
  #ready: Promise<void> = Promise.resolve();
  #resetPending = false;
  #resetAtMs = -Infinity;

  constructor(options: FeedOptions) {
    this.#options = options;
  }

  get isRunning(): boolean {
    return this.#loops.length > 0;
  }

  /** A client is connected. Resolves once every change from then on is sent, if only by `reset`. */
  start(): Promise<void> {
    this.#lingering?.cancel();
    this.#lingering = undefined;
    if (this.isRunning) return this.#ready;
    const { hub, clock, findings, changes } = this.#options;
    hub.resume();
    changes.begin();
    this.#resetPending = false;
    this.#findings = findings();
    const figures = new PollLoop({ clock, everyMs: EVERY_MS, run: () => this.#publishFigures() });
    const changesLoop: PollLoop = new PollLoop({
      clock,
      everyMs: EVERY_MS,
      run: () => this.#poll(changesLoop),
    });
    this.#loops = [figures, changesLoop];
    figures.start();
    this.#ready = endsWithin(changesLoop.now(), FIRST_POLL_MS, clock).then(() => {
      // Changes before the first successful poll are unknown.
      this.#resetPending ||= !changes.hasBegun;
    });
    return this.#ready;
  }

  /** A subscriber has left; after the last one polling stops with a delay. */
  left(): void {
    const { hub, clock } = this.#options;
    if (hub.size > 0 || this.#lingering !== undefined) return;
    this.#lingering = clock.after(LINGER_MS, () => {
      this.#lingering = undefined;
      if (hub.size === 0) this.stop();
    });
  }

  /** A poll that is under way ends by itself. */
  stop(): void {
    this.#lingering?.cancel();
    this.#lingering = undefined;
    for (const loop of this.#loops) void loop.stop();
    this.#loops = [];
  }

  #publishFigures(): void {
    const { hub, intake } = this.#options;
    hub.publish(this.#changed(this.#findingEvents()), [{ name: 'intake', data: intake() }]);
  }

  async #poll(loop: PollLoop): Promise<void> {
    const { hub, changes, onError } = this.#options;
    try {
      const events = await changes.poll();
      if (loop.isStopped) return;
      if (events === undefined) this.#resetPending = true;
      else hub.publish(this.#changed(events));
      this.#reset();
      const keys = hub.wanted(MOST_SENSORS);
      const values = keys.length === 0 ? [] : await changes.values(keys);
      if (!loop.isStopped) hub.publishTo(values);
    } catch (error) {
      // The page sees by its status that the database is away; nothing is missed, for the next poll begins where this one did.
      const expected = error instanceof FieldwatchError && error.kind !== 'bug';
      if (!expected && !loop.isStopped) onError(error);
    }
  }

  #changed(events: readonly NewEvent[]): readonly NewEvent[] {
    if (events.length > 0) this.#options.onChange();
    return events;
  }

  #reset(): void {
    const { hub, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    if (!this.#resetPending || nowMs - this.#resetAtMs < RESET_EVERY_MS) return;
    this.#resetPending = false;
    this.#resetAtMs = nowMs;
    this.#options.onChange();
    hub.reset();
  }

  #findingEvents(): readonly NewEvent[] {
    const [before, now] = [this.#findings, this.#options.findings()];
    if (before === now) return [];
    this.#findings = now;
    const { raised, cleared } = compareFindings(before, now);
    const event = (what: 'raised' | 'cleared') => (finding: Finding) => ({
      name: 'finding',
      data: { event: what, finding: findingItem(finding) },
    });
    return [...raised.map(event('raised')), ...cleared.map(event('cleared'))];
  }
}

const findingItem = ({ check, subject, verdict, severity, expected, actual, remedy }: Finding) => ({
  ...{ check, subject, verdict, severity, expected, actual, remedy },
});
