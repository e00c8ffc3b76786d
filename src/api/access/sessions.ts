import { randomBytes } from 'node:crypto';
import type { Clock } from '../../ports/time.ts';
import { type Token, type Tokens, digestOf } from './tokens.ts';

export interface ApiSession {
  readonly token: Token;
  readonly expiresAtMs: number;
}

interface Kept {
  readonly token: Token;
  readonly endsMs: number;
  usedMs: number;
}

const MAX_SESSIONS = 500;
const LIFE_MS = 7 * 86_400_000;
/** Without a request. */
const IDLE_MS = 86_400_000;
const ID_BYTES = 32;

/** Sessions that logged in with a token, by the cookie of the browser. They end with the process, and with their token. */
export class ApiSessions {
  readonly #clock: Clock;
  readonly #tokens: Tokens;
  /** By the digest of the id, least recently used first. */
  readonly #kept = new Map<string, Kept>();

  constructor(tokens: Tokens, clock: Clock) {
    this.#tokens = tokens;
    this.#clock = clock;
  }

  get size(): number {
    return this.#kept.size;
  }

  /**
   * The id is returned only here. Where there are too many, the least recently used one ends of the token that has most: however often
   * a token logs in, it ends no session of another.
   */
  open(token: Token): { readonly id: string; readonly expiresAtMs: number; readonly lifeS: number } {
    const id = randomBytes(ID_BYTES).toString('base64url');
    const nowMs = this.#clock.monotonicMs();
    this.#kept.set(keyOf(id), { token, endsMs: nowMs + LIFE_MS, usedMs: nowMs });
    if (this.#kept.size > MAX_SESSIONS) this.#endOne();
    return { id, expiresAtMs: this.#clock.nowMs() + LIFE_MS, lifeS: LIFE_MS / 1000 };
  }

  find(id: string): ApiSession | undefined {
    const key = keyOf(id);
    const kept = this.#kept.get(key);
    if (kept === undefined) return undefined;
    const nowMs = this.#clock.monotonicMs();
    const token = this.#tokens.current(kept.token);
    this.#kept.delete(key);
    if (token === undefined || nowMs >= kept.endsMs || nowMs - kept.usedMs >= IDLE_MS) return undefined;
    kept.usedMs = nowMs;
    this.#kept.set(key, kept);
    return { token, expiresAtMs: this.#clock.nowMs() + kept.endsMs - nowMs };
  }

  close(id: string): void {
    this.#kept.delete(keyOf(id));
  }

  #endOne(): void {
    const keys = new Map<string, string[]>();
    for (const [key, { token }] of this.#kept) {
      const own = keys.get(token.name);
      if (own === undefined) keys.set(token.name, [key]);
      else own.push(key);
    }
    const [most = []] = [...keys.values()].sort((a, b) => b.length - a.length);
    this.#kept.delete(most[0] ?? '');
  }
}

const keyOf = (id: string): string => digestOf(id).toString('base64url');
