import type { Visit } from './access/access.ts';
import { addressKey } from './access/rate-limit.ts';

export interface PlacesOptions {
  /** For all together. */
  readonly total: number;
  /** Share of one token or, without one, of one address. */
  readonly each: number;
}

/** Places of something that lasts: there are only so many, and no caller has all of them. */
export class Places {
  readonly #options: PlacesOptions;
  readonly #held = new Map<string, number>();
  #taken = 0;

  constructor(options: PlacesOptions) {
    this.#options = options;
  }

  get taken(): number {
    return this.#taken;
  }

  hasRoomFor(visit: Pick<Visit, 'token' | 'client'>): boolean {
    const { total, each } = this.#options;
    return this.#taken < total && (this.#held.get(ownerOf(visit)) ?? 0) < each;
  }

  /** Releases the place, once; undefined: no place is free. */
  take(visit: Pick<Visit, 'token' | 'client'>): (() => void) | undefined {
    if (!this.hasRoomFor(visit)) return undefined;
    const owner = ownerOf(visit);
    this.#change(owner, 1);
    let held = true;
    return () => {
      if (held) this.#change(owner, -1);
      held = false;
    };
  }

  #change(owner: string, by: 1 | -1): void {
    this.#taken += by;
    const held = (this.#held.get(owner) ?? 0) + by;
    if (held === 0) this.#held.delete(owner);
    else this.#held.set(owner, held);
  }
}

const ownerOf = ({ token, client }: Pick<Visit, 'token' | 'client'>): string =>
  token === undefined ? `address ${addressKey(client.address)}` : `token ${token.name}`;
