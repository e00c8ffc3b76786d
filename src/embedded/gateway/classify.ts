import { type Token, statements, topWords } from './sql.ts';

/** The parts of a query text that the gateway, and not the engine, has to handle. */
export interface QueryClass {
  /** A single COPY … FROM STDIN. */
  readonly copyIn: boolean;
  readonly copyBinary: boolean;
  /** COPY … FROM STDIN among several statements: refused. */
  readonly copyInMixed: boolean;
  /** May change session settings: SET, RESET, set_config(). */
  readonly settings: boolean;
  /** RESET goes to the engine's own defaults; the gateway's have to be put back. */
  readonly reset: boolean;
  /** A single DISCARD ALL or DEALLOCATE ALL, which concern this connection only. */
  readonly discards: 'discard' | 'deallocate' | null;
  readonly createsTemp: boolean;
  /** Calls advisory lock functions. */
  readonly advisory: boolean;
}

const PLAIN: QueryClass = {
  copyIn: false,
  copyBinary: false,
  copyInMixed: false,
  settings: false,
  reset: false,
  discards: null,
  createsTemp: false,
  advisory: false,
};

/** Nothing of interest can be in a text without one of these; most texts stop here. */
const FAST_REJECT =
  /\bstdin\b|^[^a-z]*(?:re)?set\b|\/\*|--|\bset_config\b|\bdiscard\b|\bdeallocate\b|\btemp(?:orary)?\b|advisory/i;
const SETS = /\b(?:re)?set\b/i;

// Two linear scans: one pattern for "a SET after some semicolon" would be quadratic on a long script.
const maybeSpecial = (sql: string) => FAST_REJECT.test(sql) || (sql.includes(';') && SETS.test(sql));

const CACHE_ENTRIES = 500;
const CACHED_TEXT_LENGTH = 4000;
const cache = new Map<string, QueryClass>();

/** Pure but for a bounded memory of the texts seen last. */
export function classify(sql: string): QueryClass {
  const known = cache.get(sql);
  if (known !== undefined) return known;
  const found = maybeSpecial(sql) ? examine(sql) : PLAIN;
  if (sql.length <= CACHED_TEXT_LENGTH) {
    if (cache.size >= CACHE_ENTRIES) cache.delete(cache.keys().next().value!);
    cache.set(sql, found);
  }
  return found;
}

function examine(sql: string): QueryClass {
  const list = statements(sql);
  const words = list.map(topWords);
  const copies = words.filter(isCopyIn).length;
  const single = list.length === 1;
  const heads = words.map((all) => all[0]);
  return {
    copyIn: single && copies === 1,
    copyBinary: copies > 0 && list.some((tokens) => tokens.some(isBinaryWord)),
    copyInMixed: !single && copies > 0,
    settings: words.some(changesSettings) || list.some((tokens) => tokens.some(isWord('set_config'))),
    reset: heads.includes('reset'),
    discards: single ? discards(words[0]!) : null,
    createsTemp: words.some(
      (all) => all[0] === 'create' && (all.includes('temp') || all.includes('temporary')),
    ),
    advisory: list.some((tokens) => tokens.some((token) => ADVISORY.test(token.text))),
  };
}

export const ADVISORY = /^"?pg_(?:try_)?advisory_(?:xact_)?(?:un)?lock(?:_shared|_all)?"?$/;

const isWord = (word: string) => (token: Token) => token.kind === 'word' && token.text === word;

function isCopyIn(words: readonly string[]): boolean {
  if (words[0] !== 'copy') return false;
  const from = words.indexOf('from', 1);
  return from > 0 && words[from + 1] === 'stdin';
}

function isBinaryWord(token: Token): boolean {
  return (
    (token.kind === 'word' || token.kind === 'literal' || token.kind === 'quoted') &&
    /^['"]?binary['"]?$/i.test(token.text)
  );
}

/** SET LOCAL, SET TRANSACTION and SET CONSTRAINTS end with the transaction. */
function changesSettings(words: readonly string[]): boolean {
  if (words[0] === 'reset') return true;
  return words[0] === 'set' && !['local', 'transaction', 'constraints'].includes(words[1] ?? '');
}

function discards(words: readonly string[]): QueryClass['discards'] {
  if (words[0] === 'discard' && words[1] === 'all') return 'discard';
  const last = words[words.length - 1];
  return words[0] === 'deallocate' && last === 'all' ? 'deallocate' : null;
}
