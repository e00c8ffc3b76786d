import type { TLSSocket } from 'node:tls';
import type { FastifyRequest } from 'fastify';

/** Path prefix of every resource. */
export const API_PREFIX = '/api/v1';

/** The facts of a request that decide who sent it. */
export const arrivalOf = ({ method, headers, socket }: FastifyRequest) => ({
  ...{ method, headers },
  peer: socket.remoteAddress ?? '',
  encrypted: (socket as Partial<TLSSocket>).encrypted === true,
});

export const pathOf = ({ url }: FastifyRequest): string => url.replace(/[?#].*$/s, '');
