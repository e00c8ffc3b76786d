import type { Access } from '../access/access.ts';
import type { Caller } from '../access/caller.ts';
import { type Session, loginSchema, sessionSchema } from '../contract/session.ts';
import { answer } from './answer.ts';
import { type AnyResource, resource } from './resource.ts';

const NEVER_STORED = { 'cache-control': 'no-store' };

const sessionOf = ({ role, name }: Caller, access: Access, expiresAtMs: number | undefined): Session => ({
  role,
  name,
  canWrite: role === 'operator',
  expiresAt: expiresAtMs === undefined ? null : new Date(expiresAtMs).toISOString(),
  tokens: access.hasTokens,
});

export const session: readonly AnyResource[] = [
  resource({
    id: 'session',
    method: 'GET',
    path: '/session',
    tag: 'session',
    summary: 'Who asks, and what they may do',
    role: 'public',
    answer: sessionSchema,
    handle: ({ visit }, { access }) =>
      answer(sessionOf(visit.caller, access, visit.session?.expiresAtMs), { headers: NEVER_STORED }),
  }),
  resource({
    id: 'login',
    method: 'POST',
    path: '/session',
    tag: 'session',
    summary: 'Log in with a token',
    description: 'The answer sets a cookie, which the browser sends from then on.',
    role: 'public',
    body: loginSchema,
    answer: sessionSchema,
    status: 201,
    faults: ['API_TOKEN_UNKNOWN', 'API_TOO_MANY'],
    handle: ({ visit, body }, { access }) => {
      const { token, expiresAtMs, cookie } = access.login(visit, body.token);
      // One browser, one session.
      access.logout(visit);
      return answer(sessionOf(token, access, expiresAtMs), {
        headers: { ...NEVER_STORED, 'set-cookie': cookie },
      });
    },
  }),
  resource({
    id: 'logout',
    method: 'DELETE',
    path: '/session',
    tag: 'session',
    summary: 'Log out',
    role: 'public',
    status: 204,
    handle: ({ visit }, { access }) =>
      answer(undefined, { headers: { ...NEVER_STORED, 'set-cookie': access.logout(visit) } }),
  }),
];
