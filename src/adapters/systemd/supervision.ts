import type { Logger } from '../../ports/metrics.ts';
import { type Notifier, createNotifier } from './notify.ts';

/** The supervisor's settings from the environment; undefined where there are none. */
export interface SupervisorFacts {
  readonly notifySocket: string | undefined;
  /** The supervisor restarts the daemon when it receives nothing for this time. */
  readonly watchdogMs: number | undefined;
}

export interface Supervision {
  /** Start-up or reload is over. `status`: one line for `systemctl status`. */
  ready(status?: string): Promise<void>;
  reloading(): Promise<void>;
  stopping(): Promise<void>;
  /** One line for `systemctl status`. */
  status(text?: string): Promise<void>;
  /** Ends the watchdog's timer; for tests and for what stops without ending the process. Idempotent. */
  close(): void;
}

export interface SupervisionDeps {
  readonly logger: Pick<Logger, 'warn' | 'error'>;
  /** False withholds the watchdog notification, and so requests a restart. */
  readonly alive: () => boolean;
  readonly notifier?: Notifier;
}

const RUNNING = 'running';

/** Reports the state of the daemon to systemd, and feeds its watchdog while the daemon is alive. Does nothing elsewhere. */
export function startSupervision(facts: SupervisorFacts, deps: SupervisionDeps): Supervision {
  const { logger, alive } = deps;
  const notifier = deps.notifier ?? createNotifier(facts.notifySocket, logger);
  const timer =
    facts.watchdogMs === undefined || facts.notifySocket === undefined
      ? undefined
      : // Thrice within the limit, so that one lost sign is no restart.
        setInterval(() => feed(), facts.watchdogMs / 3);
  timer?.unref();
  let stuck = false;

  function feed(): void {
    const well = alive();
    if (well) void notifier.notify('WATCHDOG=1');
    else if (!stuck)
      logger.error({}, 'not alive: watchdog notifications stopped, systemd will restart the daemon');
    stuck = !well;
  }

  return {
    ready: (status = RUNNING) => notifier.notify('READY=1', `STATUS=${status}`),
    reloading: () => notifier.notify('RELOADING=1', `MONOTONIC_USEC=${monotonicUsec()}`, 'STATUS=reloading'),
    stopping: () => notifier.notify('STOPPING=1', 'STATUS=stopping'),
    status: (text = RUNNING) => notifier.notify(`STATUS=${text}`),
    close: () => clearInterval(timer),
  };
}

/** CLOCK_MONOTONIC, which is what Node's hrtime reads on Linux and what systemd compares with. */
const monotonicUsec = (): bigint => process.hrtime.bigint() / 1000n;
