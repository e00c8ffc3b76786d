import type pg from 'pg';
import { databaseError } from '../errors.ts';

/** A gauge is measured anew each time; a counter only rises, until it starts again at zero or passes its highest value. */
export interface MetricKind {
  readonly kind: 'gauge' | 'counter';
  /** One more than the highest value; null: it does not overflow. */
  readonly wrapsAt: number | null;
}

interface KindRow extends MetricKind {
  readonly id: number;
  readonly name: string;
}

/** Gives names that are there the kind that is configured: those of an earlier version, or of another configuration. */
export async function storeKinds(
  db: Pick<pg.Pool, 'query'>,
  kindOf: (name: string) => MetricKind,
): Promise<void> {
  try {
    const { rows } = await db.query<KindRow>('SELECT id, name, kind, wraps_at AS "wrapsAt" FROM metrics');
    const changed = rows.flatMap(({ id, name, ...is }) => {
      const wanted = kindOf(name);
      return wanted.kind === is.kind && wanted.wrapsAt === is.wrapsAt ? [] : [{ id, ...wanted }];
    });
    if (changed.length === 0) return;
    await db.query(
      `UPDATE metrics m SET kind = w.kind, wraps_at = w.wraps_at
         FROM unnest($1::int[], $2::text[], $3::float8[]) AS w (id, kind, wraps_at) WHERE m.id = w.id`,
      [changed.map(({ id }) => id), changed.map(({ kind }) => kind), changed.map(({ wrapsAt }) => wrapsAt)],
    );
  } catch (error) {
    throw databaseError(error, 'storing the kinds of metrics');
  }
}
