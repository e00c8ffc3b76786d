import { execFile } from 'node:child_process';
import { messageOf } from '../../core/errors.ts';
import { Outage } from '../../lib/outage.ts';
import type { Logger } from '../../ports/metrics.ts';

/** Sends assignments such as `READY=1` to the service manager. */
export interface Notifier {
  /** Resolves when the manager has them, or cannot be reached: never rejects. */
  notify(...assignments: readonly string[]): Promise<void>;
}

export type Run = (
  file: string,
  args: readonly string[],
  options: { readonly env: Record<string, string>; readonly timeoutMs: number },
) => Promise<void>;

/** Waiting for the manager's own confirmation included (sd_notify_barrier(3)). */
const TIMEOUT_MS = 5_000;
/** Where the program is; the environment of the daemon is not passed on. */
const PATH = '/usr/bin:/bin:/usr/local/bin';

/**
 * Sends sd_notify(3) through the program systemd-notify: Node has no datagrams on unix sockets, and a native add-on for
 * one message at start is not worth its build. The unit therefore needs `NotifyAccess=all`, because the message comes from a
 * child process. Without a socket (not under systemd) every call does nothing.
 */
export function createNotifier(
  socket: string | undefined,
  logger: Pick<Logger, 'warn'>,
  run: Run = runProgram,
): Notifier {
  if (socket === undefined || socket === '') return { notify: async () => {} };
  const env = { NOTIFY_SOCKET: socket, PATH };
  const outage = new Outage();
  return {
    notify: async (...assignments) => {
      try {
        await run('systemd-notify', assignments.map(oneLine), { env, timeoutMs: TIMEOUT_MS });
        outage.recovered();
      } catch (error) {
        // The watchdog repeats itself: one line until it works again.
        if (outage.failed(error))
          logger.warn({ error: messageOf(error) }, 'cannot notify the service manager');
      }
    },
  };
}

/** A line break would begin another assignment. */
const oneLine = (assignment: string): string => assignment.replace(/\s*[\r\n]+\s*/g, ' ');

const runProgram: Run = (file, args, { env, timeoutMs }) =>
  new Promise((resolve, reject) => {
    execFile(file, [...args], { env, timeout: timeoutMs }, (error) => {
      if (error === null) resolve();
      else reject(error instanceof Error ? error : new Error('systemd-notify failed'));
    });
  });
