import type { Daemon } from './daemon.ts';
import type { Direction, TcpProxy } from './tcp-proxy.ts';

/** Where on a link a daemon stands when it is killed. */
export interface KillPoint {
  readonly name: string;
  readonly direction: Direction;
  /** The chunk of bytes at which it happens. */
  readonly seen: RegExp;
  /** Passes this many matching chunks first. */
  readonly after?: number;
  /** The matching chunk still reaches its target; otherwise it is lost. */
  readonly delivered?: boolean;
}

/** Kills the daemon at the point while `act` goes on, and starts the next process. Fails where the point was not reached. */
export async function killAt(
  point: KillPoint,
  link: TcpProxy,
  daemon: Daemon,
  act: () => Promise<unknown>,
): Promise<void> {
  const { direction, seen, after = 0, delivered = false } = point;
  let matches = 0;
  let killed = false;
  link.swallow((chunk, to) => {
    if (killed) return true;
    if (to !== direction || !seen.test(chunk.toString('latin1')) || ++matches <= after) return false;
    process.kill(daemon.pid, 'SIGKILL');
    killed = true;
    return !delivered;
  });
  const acting = act();
  await daemon.ended();
  await acting;
  if (!killed) throw new Error(`the daemon ended, and not at the point: ${point.name}`);
  link.resume();
  await daemon.launch();
}
