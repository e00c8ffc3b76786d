import type { Environment } from './environment.ts';

/** Settings that systemd passes to the service it starts (sd_notify(3), sd_watchdog_enabled(3)). */
export interface SupervisorFacts {
  readonly notifySocket: string | undefined;
  /** The supervisor restarts the daemon when it gets no keep-alive for this long. */
  readonly watchdogMs: number | undefined;
}

export function supervisorOf(env: Environment, pid = process.pid): SupervisorFacts {
  const usec = Number(env['WATCHDOG_USEC']);
  // A watchdog that is meant for another process (our parent) must not be fed by us.
  const ours = env['WATCHDOG_PID'] === undefined || Number(env['WATCHDOG_PID']) === pid;
  return {
    notifySocket: env['NOTIFY_SOCKET'],
    watchdogMs: ours && usec > 0 ? usec / 1000 : undefined,
  };
}
