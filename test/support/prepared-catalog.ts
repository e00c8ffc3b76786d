import { randomBytes } from 'node:crypto';
import pg from 'pg';
import {
  type CatalogOptions,
  type ClosableCatalog,
  createCatalog,
} from '../../src/adapters/timescale/policy/catalog.ts';
import { codeOf } from '../../src/adapters/timescale/errors.ts';
import type { CatalogRow } from '../../src/core/policy/catalog.ts';

const NO_SUCH_STATEMENT = '26000';

/**
 * A catalog that prepares each query. Two thirds of a verification on the embedded engine are planning, and the policy
 * tests verify several hundred times. Not for tests of functions and operators that take the place of others: a prepared
 * query has looked its functions up before.
 */
export function createPreparedCatalog({ url }: Pick<CatalogOptions, 'url'>): ClosableCatalog {
  const planned = new URL(url);
  // No value of a parameter is worth a plan of its own in databases of this size.
  planned.searchParams.set('options', '-c plan_cache_mode=force_generic_plan');
  const catalog = createCatalog({ url: planned.href });
  const prepared = new Map<string, Promise<string>>();

  async function prepare(text: string): Promise<string> {
    // The embedded server has one session for all of its clients.
    const name = `p_${randomBytes(8).toString('hex')}`;
    await catalog.select(`PREPARE ${name} AS ${text}`);
    return name;
  }

  async function execute(text: string, values: readonly unknown[]): Promise<readonly CatalogRow[]> {
    const statement = prepared.get(text) ?? prepare(text);
    prepared.set(text, statement);
    const name = await statement;
    const list = values.map(literal).join(', ');
    return catalog.select(`EXECUTE ${name}${list === '' ? '' : `(${list})`}`);
  }

  return {
    ...catalog,
    async select(text, values = []) {
      if (!/^\s*(SELECT|WITH)\b/.test(text)) return catalog.select(text, values);
      try {
        return await execute(text, values);
      } catch (error) {
        prepared.delete(text);
        // The connection is another one.
        if (codeOf((error as Error).cause) !== NO_SUCH_STATEMENT) throw error;
        return execute(text, values);
      }
    },
  };
}

const literal = (value: unknown): string =>
  value === null || value === undefined ? 'NULL' : pg.escapeLiteral(parameter(value));

/** As the driver writes it: arrays of texts and numbers, numbers, texts. */
const parameter = (value: unknown): string =>
  Array.isArray(value)
    ? `{${value.map((item) => (item === null ? 'NULL' : JSON.stringify(String(item)))).join(',')}}`
    : String(value);
