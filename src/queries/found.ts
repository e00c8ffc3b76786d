import { codeOf } from '../core/errors.ts';

/** How the database refuses a text that it cannot hold: the zero character, or one outside its encoding. */
const REFUSED = 'DB_ROW_REFUSED';

/** Undefined where the database cannot hold a name that is looked up: nothing is stored under it. */
export async function unlessUnholdable<Found>(lookup: () => Promise<Found>): Promise<Found | undefined> {
  try {
    return await lookup();
  } catch (error) {
    if (codeOf(error) === REFUSED) return undefined;
    throw error;
  }
}

/** Rows that `lookup` finds under names; where the database cannot hold one of them, each is looked up by itself. */
export async function foundUnder<Row>(
  names: readonly string[],
  lookup: (names: readonly string[]) => Promise<readonly Row[]>,
): Promise<readonly Row[]> {
  const rows = await unlessUnholdable(() => lookup(names));
  if (rows !== undefined) return rows;
  const found: Row[] = [];
  if (names.length > 1) for (const name of names) found.push(...(await foundUnder([name], lookup)));
  return found;
}
