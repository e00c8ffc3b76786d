import { FieldwatchError } from '../../core/errors.ts';
import { type Finding, compareFindings } from '../../core/policy/finding.ts';
import { PollLoop } from '../../lib/poll-loop.ts';
import type { Clock, Timer } from '../../ports/time.ts';
import type { Intake } from '../contract/status.ts';
import type { EventHub, NewEvent } from './hub.ts';

/** Where changes are read that only the database knows. Rejects while it does not answer. */
export interface StoredChanges {
  /** From the next look on. */
  begin(): void;
  /** A look has succeeded since then. */
  readonly hasBegun: boolean;
  /** What changed since the last look, oldest first; undefined: too much to tell one by one. */
  look(): Promise<readonly NewEvent[] | undefined>;
  /** New values of these sensors. */
  values(keys: readonly string[]): Promise<readonly (NewEvent & { readonly sensor: string })[]>;
}

export interface FeedOptions {
  readonly hub: EventHub;
  readonly clock: Clock;
  readonly intake: () => Intake;
  readonly findings: () => readonly Finding[];
  readonly changes: StoredChanges;
  readonly onError: (error: unknown) => void;
}

const EVERY_MS = 1000;
/** After the last one has gone: a page that is loaded again goes on where it was. */
const LINGER_MS = 15_000;
const MOST_SENSORS = 200;

/** Turns changes into events, once a second while somebody listens. */
export class EventFeed {
  readonly #options: FeedOptions;
  #loop: PollLoop | undefined;
  #lingering: Timer | undefined;
  #findings: readonly Finding[] = [];
  #first: Promise<void> = Promise.resolve();
  /** The first look has failed: what happened until the next one is not known. */
  #blind = false;

  constructor(options: FeedOptions) {
    this.#options = options;
  }

  get isRunning(): boolean {
    return this.#loop !== undefined;
  }

  /** Somebody listens. Resolves once every change from then on is noticed. */
  start(): Promise<void> {
    this.#lingering?.cancel();
    this.#lingering = undefined;
    if (this.#loop !== undefined) return this.#first;
    const { hub, clock, findings, changes } = this.#options;
    hub.resume();
    changes.begin();
    this.#findings = findings();
    const loop: PollLoop = new PollLoop({ clock, everyMs: EVERY_MS, run: () => this.#round(loop) });
    this.#loop = loop;
    this.#blind = false;
    this.#first = this.#look(loop);
    void this.#first.then(() => loop.start());
    return this.#first;
  }

  /** Somebody has gone: was it the last one, nothing is looked at any more after a while. */
  left(): void {
    const { hub, clock } = this.#options;
    if (hub.size > 0 || this.#lingering !== undefined) return;
    this.#lingering = clock.after(LINGER_MS, () => {
      this.#lingering = undefined;
      if (hub.size === 0) void this.stop();
    });
  }

  async stop(): Promise<void> {
    this.#lingering?.cancel();
    this.#lingering = undefined;
    const loop = this.#loop;
    this.#loop = undefined;
    await loop?.stop();
  }

  async #round(loop: PollLoop): Promise<void> {
    const { hub, intake } = this.#options;
    hub.publish(this.#findingEvents(), [{ name: 'intake', data: intake() }]);
    await this.#look(loop);
  }

  async #look(loop: PollLoop): Promise<void> {
    const { hub, changes, onError } = this.#options;
    try {
      const events = await changes.look();
      if (loop.isStopped) return;
      if (events === undefined || this.#blind) hub.reset();
      else hub.publish(events);
      this.#blind = false;
      const keys = hub.wanted(MOST_SENSORS);
      if (keys.length > 0) hub.publishTo(await changes.values(keys));
    } catch (error) {
      this.#blind ||= !changes.hasBegun;
      // The page sees that the database is away by its status; nothing is missed, for the next look begins where this one did.
      if (!(error instanceof FieldwatchError) || error.kind === 'bug') onError(error);
    }
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
