import { decodeRequestSchema, decodedSchema } from '../contract/decode.ts';
import { resource } from './resource.ts';

export const decode = resource({
  id: 'decode',
  method: 'POST',
  path: '/decode',
  tag: 'dead letters',
  summary: 'What the configuration, or another route, makes of a message; nothing is stored',
  role: 'viewer',
  body: decodeRequestSchema,
  answer: decodedSchema,
  faults: ['ROUTE_INVALID'],
  maxBodyBytes: 2 * 1024 * 1024,
  handle: ({ body }, { operations }) => operations.decode(body),
});
