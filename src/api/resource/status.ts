import * as z from '../../core/schema/zod.ts';
import { resource } from './resource.ts';

const schema = z.object({
  version: z.string(),
  startedAt: z.iso.datetime(),
  now: z.iso.datetime(),
  clientId: z.string(),
});

export const status = resource({
  id: 'status',
  method: 'GET',
  path: '/status',
  tag: 'daemon',
  summary: 'The daemon at a glance',
  role: 'viewer',
  answer: schema,
  handle: (_request, { program, clock }) => ({
    version: program.version,
    startedAt: new Date(program.startedAtMs).toISOString(),
    now: new Date(clock.nowMs()).toISOString(),
    clientId: program.clientId,
  }),
});
