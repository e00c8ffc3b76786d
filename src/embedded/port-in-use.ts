import { createServer } from 'node:net';
import { FieldwatchError } from '../core/errors.ts';

/** Rejects like a `listen` on that address would. Asked before anything slow is done for a port that is taken. */
export function probePort(host: string, port: number): Promise<void> {
  if (port === 0) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve()));
  });
}

/** EADDRINUSE and EACCES of a listening socket, in words an operator can act on; other errors stay as they are. */
export function portInUse(error: unknown, at: { port: number; what: string; key: string }): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE') {
    return new FieldwatchError(`port ${at.port} for ${at.what} is already taken by another program`, {
      code: 'PORT_IN_USE',
      kind: 'config',
      remedy: `stop the program that listens on port ${at.port}, or set ${at.key} to a free port`,
      cause: error,
    });
  }
  if (code === 'EACCES') {
    return new FieldwatchError(`port ${at.port} for ${at.what} needs rights that this user does not have`, {
      code: 'PORT_NOT_ALLOWED',
      kind: 'config',
      remedy: `set ${at.key} to a port above 1023`,
      cause: error,
    });
  }
  return error;
}
