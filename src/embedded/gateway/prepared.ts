import { type AdvisoryCall, renameAdvisoryCalls } from './advisory-locks.ts';
import { MSG, PgError, frame } from './backend.ts';
import { type QueryClass, classify } from './classify.ts';

export interface Prepared {
  readonly sql: string;
  readonly query: QueryClass;
  readonly calls: readonly AdvisoryCall[];
  /** Its name in the engine; '' for the unnamed statement. */
  readonly engineName: string;
}

const cstring = (raw: Buffer, from: number): [string, number] => {
  const end = raw.indexOf(0, from);
  if (end < 0) throw new PgError({ severity: 'FATAL', code: '08P01', message: 'invalid message format' });
  return [raw.toString('utf8', from, end), end + 1];
};

/**
 * Prepared statements of one connection. Their names belong to a session in PostgreSQL, and all connections share the
 * engine's: so each gets a name of its own there. The unnamed one keeps its name, and its Parse message is remembered
 * to be repeated when another connection has used the unnamed statement in between.
 */
export class PreparedStatements {
  private readonly connection: number;
  private readonly named = new Map<string, Prepared>();
  private readonly portals = new Map<string, Prepared | undefined>();
  private unnamed: Prepared | undefined;
  private count = 0;
  unnamedParse: Buffer | null = null;

  constructor(connection: number) {
    this.connection = connection;
  }

  parse(raw: Buffer): { message: Buffer; prepared: Prepared } {
    const [name, sqlAt] = cstring(raw, 5);
    const [sql, restAt] = cstring(raw, sqlAt);
    const query = classify(sql);
    const renamed = query.advisory ? renameAdvisoryCalls(sql) : { sql, calls: [] };
    const engineName =
      name === '' ? '' : (this.named.get(name)?.engineName ?? `c${this.connection}_${++this.count}`);
    const prepared = { sql, query, calls: renamed.calls, engineName };
    const unchanged = name === '' && !query.advisory;
    const message = unchanged ? raw : frame(MSG.Parse, engineName, renamed.sql, raw.subarray(restAt));
    if (name === '') {
      this.unnamed = prepared;
      this.unnamedParse = message;
    } else {
      this.named.set(name, prepared);
    }
    return { message, prepared };
  }

  bind(raw: Buffer): { message: Buffer; prepared: Prepared | undefined; parametersAt: number } {
    const [portal, nameAt] = cstring(raw, 5);
    const [name, restAt] = cstring(raw, nameAt);
    const prepared = this.find(name);
    this.portals.set(portal, prepared);
    const message = name === '' ? raw : frame(MSG.Bind, portal, this.engineName(name), raw.subarray(restAt));
    return { message, prepared, parametersAt: restAt };
  }

  /** Describe and Close of a statement or a portal. */
  describeOrClose(type: number, raw: Buffer): { message: Buffer; unnamedStatement: boolean } {
    const [name] = cstring(raw, 6);
    if (raw[5] !== 0x53) return { message: raw, unnamedStatement: false };
    if (name === '') return { message: raw, unnamedStatement: true };
    const message = frame(type, Buffer.from('S'), this.engineName(name));
    if (type === MSG.Close) this.named.delete(name);
    return { message, unnamedStatement: false };
  }

  /** The statement that an Execute message runs. */
  executed(raw: Buffer): Prepared | undefined {
    return this.portals.get(cstring(raw, 5)[0]);
  }

  endOfTransaction(): void {
    this.portals.clear();
  }

  /** A simple query drops the unnamed statement, in PostgreSQL too. */
  dropUnnamed(): void {
    this.unnamed = undefined;
    this.unnamedParse = null;
  }

  /** Forgets all named statements; returns their names in the engine. */
  clear(): string[] {
    const names = [...this.named.values()].map((prepared) => prepared.engineName);
    this.named.clear();
    return names;
  }

  private find(name: string): Prepared | undefined {
    return name === '' ? this.unnamed : this.named.get(name);
  }

  /** An unknown name must stay unknown in the engine, and its error should say the name the client used. */
  private engineName(name: string): string {
    return this.named.get(name)?.engineName ?? name;
  }
}
