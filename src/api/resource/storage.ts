import { FieldwatchError } from '../../core/errors.ts';
import { parseDuration } from '../../core/duration.ts';
import { type PolicyPlan, type RelationPlan } from '../../core/policy/plan.ts';
import * as z from '../../core/schema/zod.ts';
import { listChunks, storageStatistics } from '../../queries/storage.ts';
import { type Chunk, chunkListSchema, chunksQuery, storageSchema } from '../contract/storage.ts';
import { pageOf, readCursor } from './paging.ts';
import { resource } from './resource.ts';
import { iso } from './values.ts';

const position = z.tuple([z.iso.datetime()]);

export const storage = resource({
  id: 'storage',
  method: 'GET',
  path: '/storage',
  tag: 'policies',
  summary: 'What tables and aggregates take on disk',
  role: 'viewer',
  shared: true,
  answer: storageSchema,
  async handle(_request, { db, daemon }) {
    const plans = daemon.plan().relations;
    const rows = await storageStatistics(
      db,
      plans.map(({ relation }) => relation.name),
    );
    const relations = rows.map(({ relation, chunks, compressed, rows: estimate, bytes, before, after }) => {
      const plan = plans.find((each) => each.relation.name === relation);
      return {
        ...{ relation, chunks, compressed, rows: Math.max(0, estimate), sizeBytes: bytes },
        kind: plan?.relation.kind ?? ('hypertable' as const),
        beforeBytes: before,
        afterBytes: after,
        compressAfterS: ageOf(plan, 'compression', 'compress_after'),
        dropAfterS: ageOf(plan, 'retention', 'drop_after'),
      };
    });
    return { sizeBytes: relations.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0), relations };
  },
});

function ageOf(plan: RelationPlan | undefined, kind: string, key: string): number | null {
  const text = plan?.policies.find((policy) => policy.kind === kind)?.config[key];
  const ms = text === undefined ? undefined : parseDuration(text);
  return ms === undefined ? null : ms / 1000;
}

export const chunks = resource({
  id: 'chunks',
  method: 'GET',
  path: '/storage/chunks',
  tag: 'policies',
  summary: 'The chunks of a table or an aggregate, the newest first',
  role: 'viewer',
  query: chunksQuery,
  answer: chunkListSchema,
  faults: ['RELATION_UNKNOWN'],
  async handle({ query }, { db, daemon }) {
    const { relation, cursor, limit } = query;
    known(daemon.plan(), relation);
    const before = readCursor(cursor, position)?.[0];
    const rows = await listChunks(db, relation, limit + 1, before === undefined ? null : new Date(before));
    const page = pageOf(rows, limit, ({ from }) => [iso(from)]);
    return {
      items: page.rows.map(({ chunk, from, to, state, bytes }): Chunk => ({
        ...{ relation, chunk, state, sizeBytes: bytes },
        from: iso(from),
        to: iso(to),
      })),
      next: page.next,
    };
  },
});

function known({ relations }: PolicyPlan, name: string): void {
  const names = relations.map(({ relation }) => relation.name as string);
  if (names.includes(name)) return;
  throw new FieldwatchError(`no table or aggregate has the name ${JSON.stringify(name)}`, {
    code: 'RELATION_UNKNOWN',
    kind: 'data',
    remedy: `There are ${names.join(', ')}.`,
  });
}
