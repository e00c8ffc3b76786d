import type { FastifyRequest } from 'fastify';
import { FieldwatchError } from '../../core/errors.ts';
import { type Caller, NOBODY, type Role, mayUse } from './caller.ts';

/** Decides who asks, and whether that is enough. */
export interface Gate {
  /** Throws what the client is told. */
  admit(request: FastifyRequest, needed: Role | 'public'): Caller;
}

export function createGate(): Gate {
  return {
    admit(request, needed) {
      const caller = isLoopback(request.socket.remoteAddress) ? HERE : NOBODY;
      if (mayUse(caller, needed)) return caller;
      throw new FieldwatchError(`this needs the role ${needed}`, {
        code: 'API_FORBIDDEN',
        kind: 'auth',
      });
    },
  };
}

/** Who is on this machine may look. */
const HERE: Caller = { role: 'viewer', name: null };

const isLoopback = (address: string | undefined): boolean =>
  address !== undefined && /^(?:::ffff:)?127\.|^::1$/.test(address);
