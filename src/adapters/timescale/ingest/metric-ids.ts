import { globMatches } from '../../../core/glob.ts';
import type { Millis } from '../../../core/reading.ts';
import { classify } from '../errors.ts';
import type { MetricKind } from './metric-kinds.ts';
import { nameRules, refuseBlocked, refuseVanished } from './relied-on.ts';
import type { Work } from '../connection/session.ts';

/** Limits on the metric names that payloads may add. */
export interface MetricNameLimits {
  /** In all. */
  readonly max: number;
  /** By one sensor, in a day. */
  readonly maxNewPerSensor: number;
  /** Patterns (`globMatches`) of names that may be added. */
  readonly allow: readonly string[];
  /** Metric kind of a new name; absent: a gauge. */
  readonly kindOf?: (name: string) => MetricKind;
}

/** Why a name gets no id, so that its values are dropped. */
export type NameRefusal = 'not_allowed' | 'sensor_rate' | 'limit' | 'unstorable';

interface NameRow {
  readonly id: number;
  readonly name: string;
  readonly unit?: string | null;
}

const DAY_MS = 86_400_000;
/** How often the table is read again: other daemons add to it, and `metrics forget` takes from it. */
const REREAD_MS = 60_000;

/**
 * Names of narrow metrics to the ids of `metrics`. A name is registered in a statement of its own, outside the batch's
 * transaction: two daemons that meet the same new name must not wait for each other while they hold chunks. One for all
 * the stores of a daemon: each with a count of its own would admit as many names again.
 */
export class MetricIds {
  readonly #ids = new Map<string, number>();
  readonly #units = new Map<string, string>();
  readonly #limits: MetricNameLimits;
  readonly #nowMs: () => Millis;
  readonly #addedBy = new Map<number, number>();
  /** Admitted, and on their way into the table. */
  readonly #pending = new Set<string>();
  /** The encoding of the database cannot hold them. As many are remembered as there may be names. */
  readonly #unstorable = new Set<string>();
  #dayStartMs = -Infinity;
  #readAtMs = -Infinity;

  constructor(limits: MetricNameLimits, monotonicMs: () => Millis) {
    this.#limits = limits;
    this.#nowMs = monotonicMs;
  }

  /** How many names there may be. */
  get max(): number {
    return this.#limits.max;
  }

  get known(): ReadonlyMap<string, number> {
    return this.#ids;
  }

  /** As the table states it; undefined: it does not, or was not read yet. */
  unitOf(name: string): string | undefined {
    return this.#units.get(name);
  }

  /** Reads the table again where that is due: what is no longer in it must not be written under its old id. */
  async refresh(work: Work): Promise<void> {
    if (this.#ids.size === 0 || this.#nowMs() - this.#readAtMs < REREAD_MS) return;
    await this.#readAll(work);
  }

  /** Learns or registers these names, each with the sensor that brought it; says why the others get no id. */
  async learn(work: Work, names: ReadonlyMap<string, number>): Promise<ReadonlyMap<string, NameRefusal>> {
    if (this.#nowMs() - this.#readAtMs >= REREAD_MS) await this.#readAll(work);
    const refused = new Map<string, NameRefusal>();
    const admitted: string[] = [];
    const counted = new Map<string, number>();
    for (const [name, sensorId] of [...names].sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (this.#ids.has(name)) continue;
      const isPending = this.#pending.has(name);
      const refusal = isPending ? undefined : this.#refusal(name, sensorId);
      if (refusal !== undefined) {
        refused.set(name, refusal);
        continue;
      }
      admitted.push(name);
      if (isPending) continue;
      this.#pending.add(name);
      counted.set(name, sensorId);
      this.#count(sensorId, 1);
    }
    if (admitted.length === 0) return refused;
    try {
      for (const name of await this.#register(work, admitted)) refused.set(name, 'unstorable');
    } catch (error) {
      // They are tried again, and count then.
      for (const sensorId of counted.values()) this.#count(sensorId, -1);
      throw error;
    } finally {
      for (const name of counted.keys()) this.#pending.delete(name);
    }
    return refused;
  }

  /** After a restore or a reset of the database the ids may be others: the next batch reads them first. */
  forget(): void {
    this.#unstorable.clear();
    this.#readAtMs = -Infinity;
  }

  #count(sensorId: number, names: number): void {
    this.#addedBy.set(sensorId, (this.#addedBy.get(sensorId) ?? 0) + names);
  }

  #refusal(name: string, sensorId: number): NameRefusal | undefined {
    const { allow, max, maxNewPerSensor } = this.#limits;
    if (!allow.some((pattern) => globMatches(pattern, name))) return 'not_allowed';
    if (this.#unstorable.has(name)) return 'unstorable';
    if (this.#ids.size + this.#pending.size >= max) return 'limit';
    const now = this.#nowMs();
    if (now - this.#dayStartMs >= DAY_MS) {
      this.#dayStartMs = now;
      this.#addedBy.clear();
    }
    return (this.#addedBy.get(sensorId) ?? 0) >= maxNewPerSensor ? 'sensor_rate' : undefined;
  }

  /** All but those that the database refuses as data: they are returned, and cost the others nothing. */
  async #register(work: Work, names: readonly string[]): Promise<readonly string[]> {
    try {
      await this.#insert(work, names);
      return [];
    } catch (error) {
      await refuseBlocked(work, 'metrics', error);
      if (classify(error).kind !== 'data') throw await nameRules(work, 'metrics', error);
      if (names.length > 1) {
        const middle = names.length >>> 1;
        const first = await this.#register(work, names.slice(0, middle));
        return [...first, ...(await this.#register(work, names.slice(middle)))];
      }
      if (this.#unstorable.size >= this.#limits.max) this.#unstorable.clear();
      for (const name of names) this.#unstorable.add(name);
      return names;
    }
  }

  async #insert(work: Work, names: readonly string[]): Promise<void> {
    // NOT EXISTS first: ON CONFLICT alone would burn an id for each name that is there.
    const kinds = names.map((name) => this.#limits.kindOf?.(name) ?? { kind: 'gauge', wrapsAt: null });
    await work.query(
      `INSERT INTO metrics (name, kind, wraps_at)
       SELECT fresh.* FROM unnest($1::text[], $2::text[], $3::float8[]) AS fresh (name, kind, wraps_at)
        WHERE NOT EXISTS (SELECT FROM metrics m WHERE m.name = fresh.name) ORDER BY 1
       ON CONFLICT (name) DO NOTHING`,
      [names, kinds.map(({ kind }) => kind), kinds.map(({ wrapsAt }) => wrapsAt)],
    );
    const text = 'SELECT id, name, unit FROM metrics WHERE name = ANY ($1::text[])';
    const rows = await this.#read(work, text, [names]);
    this.#keep(rows);
    const found = new Set(rows.map(({ name }) => name));
    refuseVanished('metrics', names.length, names.filter((name) => found.has(name)).length);
  }

  async #readAll(work: Work): Promise<void> {
    const rows = await this.#read(work, 'SELECT id, name, unit FROM metrics', []);
    // Not before the answer: another store encodes its batch meanwhile.
    this.#ids.clear();
    this.#keep(rows);
    this.#readAtMs = this.#nowMs();
  }

  async #read(work: Work, text: string, values: unknown[]): Promise<readonly NameRow[]> {
    const result = await work.query<NameRow>(text, values);
    return result.rows;
  }

  #keep(rows: readonly NameRow[]): void {
    for (const { id, name, unit } of rows) {
      this.#ids.set(name, id);
      if ((unit ?? null) === null) this.#units.delete(name);
      else this.#units.set(name, unit ?? '');
    }
  }
}
