import { ADVISORY } from './classify.ts';
import { type Token, statements } from './sql.ts';

/**
 * Advisory locks between connections that share one engine session.
 *
 * In the engine every such lock would be granted, for it sees one session only. So the gateway keeps the table of
 * session-level locks itself. A call `pg_try_advisory_lock(…)` in a query text is renamed to a function of the same
 * name in the schema `fieldwatch_gateway`, which answers what the gateway has decided just before (a setting); the
 * name, and with it the column's label, the argument types and prepared statements stay as they are. Keys may be
 * constants, `$n` parameters or expressions without columns (`hashtext('x')`).
 * Limits: calls inside functions or views are not seen; several calls in one statement must have one outcome; a
 * blocking lock that is held by another connection waits only outside a transaction, since the holder could not run
 * while this one is open (40P01 then, at once). pg_locks does not list these locks.
 */

/** The setting in which the stub functions find the gateway's decision. */
export const DECISION_SETTING = 'fieldwatch.advisory';

const SIGNATURES = ['bigint', 'integer, integer'];
const modes = (name: string, result: 'boolean' | 'void') =>
  ['', '_shared'].flatMap((mode) =>
    SIGNATURES.map((signature) => stub(`${name}${mode}(${signature})`, result)),
  );

function stub(signature: string, result: 'boolean' | 'void'): string {
  // plpgsql for void: there the result is an empty value, as with the real function, and not NULL.
  const body =
    result === 'void'
      ? 'LANGUAGE plpgsql AS $$ BEGIN END $$'
      : `LANGUAGE sql AS $$ SELECT coalesce(current_setting('${DECISION_SETTING}', true), 't') = 't' $$`;
  return `CREATE OR REPLACE FUNCTION fieldwatch_gateway.${signature} RETURNS ${result} VOLATILE ${body}`;
}

export const ADVISORY_STUBS: readonly string[] = [
  'CREATE SCHEMA IF NOT EXISTS fieldwatch_gateway',
  'GRANT USAGE ON SCHEMA fieldwatch_gateway TO PUBLIC',
  ...['pg_try_advisory_lock', 'pg_try_advisory_xact_lock', 'pg_advisory_unlock'].flatMap((name) =>
    modes(name, 'boolean'),
  ),
  ...['pg_advisory_lock', 'pg_advisory_xact_lock'].flatMap((name) => modes(name, 'void')),
  stub('pg_advisory_unlock_all()', 'void'),
];

export interface AdvisoryCall {
  readonly action: 'try' | 'lock' | 'unlock' | 'unlock_all';
  readonly shared: boolean;
  readonly untilTransactionEnd: boolean;
  /** The text of each argument. */
  readonly args: readonly string[];
}

export interface AdvisoryQuery {
  /** The text with the calls renamed. */
  readonly sql: string;
  readonly calls: readonly AdvisoryCall[];
}

/** Finds and renames the calls in a query text. */
export function renameAdvisoryCalls(sql: string): AdvisoryQuery {
  const calls: AdvisoryCall[] = [];
  let renamed = '';
  let copied = 0;
  for (const tokens of statements(sql)) {
    tokens.forEach((token, i) => {
      if (!ADVISORY.test(token.text) || tokens[i + 1]?.text !== '(') return;
      const name = token.text.replaceAll('"', '');
      const qualified = tokens[i - 1]?.text === '.' && tokens[i - 2]?.text === 'pg_catalog';
      const start = qualified ? tokens[i - 2]!.start : token.start;
      renamed += `${sql.slice(copied, start)}fieldwatch_gateway.${name}`;
      copied = token.end;
      calls.push(describeCall(name, callArguments(sql, tokens, i + 1)));
    });
  }
  return { sql: renamed + sql.slice(copied), calls };
}

function describeCall(name: string, args: readonly string[]): AdvisoryCall {
  const action = name.endsWith('unlock_all')
    ? 'unlock_all'
    : name.includes('unlock')
      ? 'unlock'
      : name.startsWith('pg_try')
        ? 'try'
        : 'lock';
  return { action, shared: name.endsWith('_shared'), untilTransactionEnd: name.includes('_xact_'), args };
}

function callArguments(sql: string, tokens: readonly Token[], open: number): string[] {
  const args: string[] = [];
  let depth = 0;
  let start = tokens[open]!.end;
  for (const token of tokens.slice(open)) {
    if (token.kind !== 'punctuation') continue;
    if ('(['.includes(token.text)) depth++;
    else if (')]'.includes(token.text)) depth--;
    if (depth === 0 || (depth === 1 && token.text === ',')) {
      const text = sql.slice(start, token.start).trim();
      if (text !== '') args.push(text);
      start = token.end;
    }
    if (depth === 0) break;
  }
  return args;
}

interface Holder {
  exclusive: number;
  shared: number;
}

/** Session-level locks: key -> connection -> how often. */
export class AdvisoryTable {
  private readonly locks = new Map<string, Map<number, Holder>>();
  private readonly waiting = new Set<() => void>();

  /** Could this connection have the lock now? */
  isFree(key: string, connection: number, shared: boolean): boolean {
    for (const [owner, holder] of this.locks.get(key) ?? []) {
      if (owner !== connection && (holder.exclusive > 0 || !shared)) return false;
    }
    return true;
  }

  take(key: string, connection: number, shared: boolean): void {
    const holders = this.locks.get(key) ?? new Map<number, Holder>();
    const holder = holders.get(connection) ?? { exclusive: 0, shared: 0 };
    holder[shared ? 'shared' : 'exclusive']++;
    this.locks.set(key, holders.set(connection, holder));
  }

  /** False if this connection did not hold it, as pg_advisory_unlock says. */
  release(key: string, connection: number, shared: boolean): boolean {
    const holders = this.locks.get(key);
    const holder = holders?.get(connection);
    const mode = shared ? 'shared' : 'exclusive';
    if (holders === undefined || holder === undefined || holder[mode] === 0) return false;
    holder[mode]--;
    if (holder.exclusive + holder.shared === 0) holders.delete(connection);
    if (holders.size === 0) this.locks.delete(key);
    this.wake();
    return true;
  }

  releaseAll(connection: number): void {
    for (const [key, holders] of this.locks) {
      if (holders.delete(connection) && holders.size === 0) this.locks.delete(key);
    }
    this.wake();
  }

  /** Calls back at the next release of any lock; returns how to stop waiting. */
  onRelease(callback: () => void): () => void {
    this.waiting.add(callback);
    return () => void this.waiting.delete(callback);
  }

  private wake(): void {
    const waiting = [...this.waiting];
    this.waiting.clear();
    for (const callback of waiting) callback();
  }
}
