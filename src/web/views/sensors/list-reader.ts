import type { SensorItem, SensorList } from '../../../api/contract/sensors.ts';
import { type Query, asProblem } from '../../rest/client.ts';
import type { ApiProblem } from '../../rest/problem.ts';

interface Page {
  readonly cursor: string | undefined;
  readonly items: readonly SensorItem[];
}

/** The part of one list that has been read, page by page. */
export interface Loaded {
  /** Address of the list: its filters and its order. */
  readonly address: string;
  readonly pages: readonly Page[];
  readonly next: string | null;
  readonly total: number;
}

export interface ListReaderDeps {
  readonly get: (query: Query, signal: AbortSignal) => Promise<SensorList>;
  /** The current list, or why there is nothing new. */
  readonly onChange: (loaded: Loaded | undefined, problem: ApiProblem | undefined) => void;
}

/** Reads a list of sensors as far as the user scrolls, one page at a time; pages that are there are read again. */
export class ListReader {
  readonly #deps: ListReaderDeps;
  #loaded: Loaded | undefined;
  #asked: { readonly address: string; readonly query: Query } = { address: '', query: {} };
  #reading: AbortController | undefined;
  /** The end of what is there was reached while a page was being read. */
  #wantsMore = false;

  constructor(deps: ListReaderDeps, loaded: Loaded | undefined) {
    this.#deps = deps;
    this.#loaded = loaded;
  }

  /** From now on the list at `address`: from its beginning, or the page of `row` where the list is the same. */
  open(address: string, query: Query, row: number): void {
    this.#asked = { address, query };
    void this.#read(this.#loaded?.address === address ? pageAt(this.#loaded, row) : undefined);
  }

  /** The page of a row again, unless one is being read. */
  refresh(row: number): void {
    if (this.#reading === undefined && this.#loaded?.address === this.#asked.address)
      void this.#read(pageAt(this.#loaded, row));
  }

  /** The next page; after the one that is being read. Until a read has succeeded again none follows one that failed. */
  more(): void {
    this.#wantsMore = true;
    if (this.#reading === undefined) this.#goOn();
  }

  /** From the beginning, after a failure. */
  again(): void {
    void this.#read(undefined);
  }

  stop(): void {
    this.#reading?.abort();
    this.#reading = undefined;
    this.#wantsMore = false;
  }

  #goOn(): void {
    const { address, next } = this.#loaded ?? { address: undefined, next: null };
    if (!this.#wantsMore || address !== this.#asked.address) return;
    this.#wantsMore = false;
    if (next !== null) void this.#read(next);
  }

  async #read(cursor: string | undefined): Promise<void> {
    this.#reading?.abort();
    const reading = new AbortController();
    this.#reading = reading;
    const { address, query } = this.#asked;
    try {
      const page = await this.#deps.get({ ...query, cursor }, reading.signal);
      if (this.#reading !== reading) return;
      this.#reading = undefined;
      const before = this.#loaded?.address === address ? this.#loaded : undefined;
      this.#loaded = withPage(before, address, cursor, page);
      this.#deps.onChange(this.#loaded, undefined);
      this.#goOn();
    } catch (error) {
      if (this.#reading !== reading) return;
      this.#reading = undefined;
      this.#wantsMore ||= cursor !== undefined && cursor === this.#loaded?.next;
      this.#deps.onChange(this.#loaded, asProblem(error));
    }
  }
}

/** Pages are read at different times: a sensor that has just sent may be on two of them. */
export const itemsOf = ({ pages }: Loaded): readonly SensorItem[] => [
  ...new Map(pages.flatMap(({ items }) => items).map((one) => [one.key, one])).values(),
];

/** The cursor of the page that holds a row. */
function pageAt({ pages }: Loaded, row: number): string | undefined {
  let rest = row;
  for (const { cursor, items } of pages) {
    if (rest < items.length) return cursor;
    rest -= items.length;
  }
  return pages.at(-1)?.cursor;
}

function withPage(
  before: Loaded | undefined,
  address: string,
  cursor: string | undefined,
  page: SensorList,
): Loaded {
  const { items, next, total } = page;
  const pages = before?.pages ?? [];
  const at = pages.findIndex((one) => one.cursor === cursor);
  if (at === -1) return { address, pages: [...pages, { cursor, items }], next, total };
  const replaced = pages.map((one, index) => (index === at ? { cursor, items } : one));
  return { address, pages: replaced, next: at === pages.length - 1 ? next : before!.next, total };
}
