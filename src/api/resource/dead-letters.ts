import { FieldwatchError } from '../../core/errors.ts';
import * as z from '../../core/schema/zod.ts';
import { type WholeDeadLetter, deadLetter, deadLettersPage } from '../../queries/dead-letters.ts';
import {
  type DeadLetter,
  deadLetterListSchema,
  deadLetterParams,
  deadLetterSchema,
  deadLettersQuery,
  retriedSchema,
  retrySchema,
} from '../contract/dead-letters.ts';
import { pageOf, rangeOf, readCursor } from './paging.ts';
import { resource } from './resource.ts';
import { iso, isoOrNull } from './values.ts';

const position = z.tuple([z.string().max(64), z.uuid()]);

export const deadLetters = resource({
  id: 'deadLetters',
  method: 'GET',
  path: '/dead-letters',
  tag: 'dead letters',
  summary: 'Messages that gave no reading, the newest first',
  role: 'viewer',
  query: deadLettersQuery,
  answer: deadLetterListSchema,
  async handle({ query }, { db, clock }) {
    const { cursor, limit, reason, topic, ...range } = query;
    const after = readCursor(cursor, position);
    const asked = { ...rangeOf(range, clock.nowMs()), reason, topic, limit: limit + 1, after };
    const page = pageOf(await deadLettersPage(db, asked), limit, ({ at, id }) => [at, id]);
    return { items: page.rows.map(({ head, ...row }) => item(row, head)), next: page.next };
  },
});

export const oneDeadLetter = resource({
  id: 'deadLetter',
  method: 'GET',
  path: '/dead-letters/:id',
  tag: 'dead letters',
  summary: 'One dead letter with as much of its payload as is kept',
  role: 'viewer',
  params: deadLetterParams,
  answer: deadLetterSchema,
  faults: ['DEAD_LETTER_UNKNOWN'],
  async handle({ params }, { db }) {
    const letter = await deadLetter(db, params.id);
    if (letter === undefined)
      throw new FieldwatchError(`no dead letter has the id ${params.id}`, {
        code: 'DEAD_LETTER_UNKNOWN',
        kind: 'data',
        remedy: 'GET /api/v1/dead-letters lists the ids; the retention policy drops old ones.',
      });
    const { payload, ...row } = letter;
    return item(row, payload);
  },
});

export const retryDeadLetter = resource({
  id: 'retryDeadLetter',
  method: 'POST',
  path: '/dead-letters/:id/retry',
  tag: 'dead letters',
  summary: 'Publish a dead letter once more, to its topic at the broker',
  role: 'operator',
  params: deadLetterParams,
  body: retrySchema,
  answer: retriedSchema,
  faults: ['DEAD_LETTER_UNKNOWN', 'RETRY_RUNNING', 'BROKER_UNREACHABLE'],
  handle: ({ params, body }, { operations }) => operations.retryDeadLetter(params.id, body),
});

function item(row: Omit<WholeDeadLetter, 'payload'>, payload: Uint8Array): DeadLetter {
  const { id, receivedAt, topic, reason, detail, bytes, keptBytes, requeuedAt } = row;
  return {
    ...{ id, topic, reason, detail, keptBytes, sizeBytes: bytes },
    receivedAt: iso(receivedAt),
    payload: readable(payload),
    requeuedAt: isoOrNull(requeuedAt),
  };
}

/** As text where it is text: a head may end within a character. */
function readable(bytes: Uint8Array): DeadLetter['payload'] {
  try {
    return {
      encoding: 'utf8',
      text: new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true }),
    };
  } catch {
    return { encoding: 'base64', text: Buffer.from(bytes).toString('base64') };
  }
}
