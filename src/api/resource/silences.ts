import * as z from '../../core/schema/zod.ts';
import { FieldwatchError } from '../../core/errors.ts';
import { type SilenceRow, expireSilence, listSilences } from '../../queries/silences.ts';
import { operatorOf } from '../access/caller.ts';
import {
  type Silence,
  addedSilenceSchema,
  newSilenceSchema,
  silenceListSchema,
  silenceParams,
  silenceSchema,
  silencesQuery,
} from '../contract/silences.ts';
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

export const addSilence = resource({
  id: 'addSilence',
  method: 'POST',
  path: '/silences',
  tag: 'silences',
  summary: 'Suppress the notifications of alerts that match, for a time',
  role: 'operator',
  body: newSilenceSchema,
  answer: addedSilenceSchema,
  status: 201,
  faults: ['SILENCE_INVALID'],
  async handle({ body, by }, { operations }) {
    const { matched, open, ...row } = await operations.addSilence(body, operatorOf(by));
    return { ...silenceItem(row), matched, open };
  },
});

export const endSilence = resource({
  id: 'endSilence',
  method: 'DELETE',
  path: '/silences/:id',
  tag: 'silences',
  summary: 'End a silence now',
  role: 'operator',
  params: silenceParams,
  answer: silenceSchema,
  faults: ['SILENCE_UNKNOWN'],
  async handle({ params, by }, { db }) {
    const row = await expireSilence(db, params.id, operatorOf(by));
    if (row !== undefined) return silenceItem(row);
    throw new FieldwatchError(`no silence ${params.id} is active or waiting`, {
      code: 'SILENCE_UNKNOWN',
      kind: 'data',
      remedy: 'GET /api/v1/silences lists them.',
    });
  },
});
