import * as z from '../../core/schema/zod.ts';
import { text, time } from './fields.ts';

export const ROLES = ['viewer', 'operator'] as const;

/** Rights of this request. */
export const accessSchema = z
  .object({
    role: z.enum(ROLES).nullable().describe('role of the token; null: without one'),
    name: z.string().nullable().describe('name of the token; null: without one'),
    canWrite: z.boolean().describe('true: the role is operator'),
  })
  .meta({ id: 'Access', description: 'Who asks, and what they may do' });
export type Access = z.output<typeof accessSchema>;

export const sessionSchema = accessSchema
  .extend({
    expiresAt: time('end of the session').nullable().describe('end of the session; null: there is none'),
    tokens: z.boolean().describe('true: tokens are configured, so logging in is possible'),
  })
  .meta({ id: 'Session', description: 'The session of this browser' });
export type Session = z.output<typeof sessionSchema>;

export const loginSchema = z.strictObject({
  token: z.string().min(1).max(512).describe('the token of http.token_file'),
});
export type Login = z.input<typeof loginSchema>;

export const commentSchema = z.string().max(1000).default('').describe('why');

/** The operator recorded with a change. */
export const by = text('who did it: the name of the token');
