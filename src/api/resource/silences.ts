import * as z from '../../core/schema/zod.ts';
import { type SilenceRow, listSilences } from '../../queries/silences.ts';
import { type Silence, silenceListSchema, silencesQuery } from '../contract/silences.ts';
import { pageOf, readCursor } from './paging.ts';
import { resource } from './resource.ts';
import { iso } from './values.ts';

const position = z.tuple([z.string().max(64), z.string().regex(/^\d{1,18}$/)]);

export const silenceItem = ({ startsAt, endsAt, createdAt, matchers, ...row }: SilenceRow): Silence => ({
  ...row,
  matchers: { ...matchers },
  startsAt: iso(startsAt),
  endsAt: iso(endsAt),
  createdAt: iso(createdAt),
});

export const silences = resource({
  id: 'silences',
  method: 'GET',
  path: '/silences',
  tag: 'silences',
  summary: 'Silences that are not over, the one that lasts longest first',
  role: 'viewer',
  query: silencesQuery,
  answer: silenceListSchema,
  async handle({ query }, { db }) {
    const { all = false, cursor, limit } = query;
    const rows = await listSilences(db, { all, limit: limit + 1, after: readCursor(cursor, position) });
    const page = pageOf(rows, limit, ({ endsAt, id }) => [endsAt.toISOString(), id]);
    return { items: page.rows.map(silenceItem), next: page.next };
  },
});
