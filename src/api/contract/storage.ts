import * as z from '../../core/schema/zod.ts';
import { byteSize, count, page, pageQuery, seconds, text, time } from './fields.ts';

export const relationSchema = z
  .object({
    relation: text('table or aggregate'),
    kind: z.enum(['hypertable', 'aggregate']).describe('readings, or figures made of them'),
    chunks: count('chunks'),
    compressed: count('compressed chunks'),
    rows: z.number().min(0).describe('number of rows, estimated'),
    sizeBytes: byteSize('what it takes on disk, with indexes'),
    beforeBytes: byteSize('its compressed chunks before compression').nullable(),
    afterBytes: byteSize('its compressed chunks now').nullable(),
    compressAfterS: seconds('age at which a chunk is compressed').nullable(),
    dropAfterS: seconds('age at which a chunk is dropped').nullable(),
  })
  .meta({ id: 'Relation', description: 'A table or an aggregate and what it takes' });
export type Relation = z.output<typeof relationSchema>;

export const storageSchema = z
  .object({
    sizeBytes: byteSize('all relations'),
    relations: z.array(relationSchema).describe('the largest first'),
  })
  .meta({ id: 'Storage', description: 'What the database takes' });
export type Storage = z.output<typeof storageSchema>;

export const chunkSchema = z
  .object({
    relation: text('table or aggregate'),
    chunk: text('name of the chunk'),
    from: time('start of its range'),
    to: time('end of its range'),
    state: z
      .enum(['row', 'compressed', 'partial'])
      .describe('partial: compressed, with uncompressed late rows'),
    sizeBytes: byteSize('what it takes on disk').nullable(),
  })
  .meta({ id: 'Chunk', description: 'The rows of a span of time' });
export type Chunk = z.output<typeof chunkSchema>;

export const chunkListSchema = page(chunkSchema, 'chunks, the newest first').meta({
  id: 'ChunkList',
  description: 'A page of chunks',
});
export type ChunkList = z.output<typeof chunkListSchema>;

export const chunksQuery = z.strictObject({
  relation: z.string().min(1).max(63).describe('table or aggregate'),
  ...pageQuery,
});
