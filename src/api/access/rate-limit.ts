import { TokenBucket, type TokenRate } from '../../core/token-bucket.ts';
import type { Millis } from '../../core/reading.ts';
import type { Clock } from '../../ports/time.ts';

const MAX_KEYS = 10_000;

/** A token bucket per key. Of more keys than it remembers, the least recently used one begins anew. */
export class RateLimit {
  readonly #rate: TokenRate;
  readonly #clock: Clock;
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(rate: TokenRate, clock: Clock) {
    this.#rate = rate;
    this.#clock = clock;
  }

  /** Takes one, where there is one. */
  take(key: string): boolean {
    const nowMs = this.#clock.monotonicMs();
    return this.#bucket(key, nowMs).take(nowMs) === 0;
  }

  /** Seconds until there is one; 0: now. */
  waitS(key: string): number {
    const nowMs = this.#clock.monotonicMs();
    return Math.ceil(this.#bucket(key, nowMs).waitMs(nowMs) / 1000);
  }

  #bucket(key: string, nowMs: Millis): TokenBucket {
    const bucket = this.#buckets.get(key) ?? new TokenBucket(this.#rate, nowMs);
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > MAX_KEYS) this.#buckets.delete(this.#buckets.keys().next().value as string);
    return bucket;
  }
}

/** An address of IPv6 is one of the 2^64 that its owner has. */
export function addressKey(address: string): string {
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length);
  const groups = [...left, ...Array.from({ length: zeros }, () => '0'), ...right];
  return `${groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, '').toLowerCase())
    .join(':')}::/64`;
}
