import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** Debian keeps servers where only root's PATH leads. */
export const SERVER_PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin:/usr/local/sbin`;

export const hasEnded = ({ exitCode, signalCode }: ChildProcess): boolean =>
  exitCode !== null || signalCode !== null;

/** Sends the signal to a process that runs, and resolves when it has ended. */
export async function endChild(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  if (child.pid === undefined || hasEnded(child)) return;
  const exit = once(child, 'exit');
  child.kill(signal);
  await exit;
}

/** Our environment without the settings that would change what the child is given. */
export function cleanEnvironment(extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const entries = Object.entries(process.env).filter(([name]) => !/^(FIELDWATCH_|NODE_OPTIONS$)/.test(name));
  return { ...Object.fromEntries(entries), ...extra };
}
