import type { Clock } from '../ports/time.ts';

/** Equal questions of so many readers within this time have one answer. */
const FRESH_MS = 1000;
/** While intake is behind. */
const FRESH_BEHIND_MS = 3000;
const MOST_KEPT = 200;
/** Characters of all kept answers. The largest answers have about a million. */
const MOST_CHARACTERS = 8_000_000;

export interface SharedReadsDeps {
  readonly clock: Clock;
  /** Messages wait longer than usual for their commit. */
  readonly isBehind: () => boolean;
  /** Characters of an answer, about. */
  readonly sizeOf: (answer: unknown) => number;
}

interface Kept {
  readonly startedMs: number;
  readonly answer: Promise<unknown>;
  /** Undefined: it is being made. */
  characters: number | undefined;
}

/**
 * Answers that are equal for all clients: one that is under way or was begun within the last second is shared with the next
 * request. Rejections are not kept.
 */
export class SharedReads {
  readonly #deps: SharedReadsDeps;
  readonly #kept = new Map<string, Kept>();

  constructor(deps: SharedReadsDeps) {
    this.#deps = deps;
  }

  /** Answers of one key are of one type. */
  read<T>(key: string, make: () => Promise<T>): Promise<T> {
    const nowMs = this.#deps.clock.monotonicMs();
    const kept = this.#kept.get(key);
    if (kept !== undefined && (isUnderWay(kept) || nowMs - kept.startedMs < this.#freshMs))
      return kept.answer as Promise<T>;
    const answer = make();
    const own: Kept = { startedMs: nowMs, answer, characters: undefined };
    this.#kept.delete(key);
    this.#kept.set(key, own);
    answer.then(
      (made) => {
        own.characters = this.#deps.sizeOf(made);
        this.#drop(this.#deps.clock.monotonicMs());
      },
      () => {
        if (this.#kept.get(key) === own) this.#kept.delete(key);
      },
    );
    this.#drop(nowMs);
    return answer;
  }

  /** Something has changed: what is read from now on is read anew. */
  expire(): void {
    this.#kept.clear();
  }

  get #freshMs(): number {
    return this.#deps.isBehind() ? FRESH_BEHIND_MS : FRESH_MS;
  }

  /** In the order in which they were begun. */
  #drop(nowMs: number): void {
    let characters = 0;
    for (const kept of this.#kept.values()) characters += kept.characters ?? 0;
    for (const [key, kept] of this.#kept) {
      const isFew = this.#kept.size <= MOST_KEPT && characters <= MOST_CHARACTERS;
      if (isFew && nowMs - kept.startedMs < FRESH_BEHIND_MS) return;
      if (isFew && isUnderWay(kept)) continue;
      characters -= kept.characters ?? 0;
      this.#kept.delete(key);
    }
  }
}

/** Not answered yet: a database that does not answer is queried once, and not once a second. */
const isUnderWay = ({ characters }: Kept): boolean => characters === undefined;
