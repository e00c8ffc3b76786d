import { readFileSync, readdirSync } from 'node:fs';
import { queryOnce } from '../test/support/pg-client.ts';

/** Linux counts in hundredths of a second, whatever the kernel's own tick is. */
const TICKS_PER_SECOND = 100;

interface Process {
  readonly parent: number;
  /** User and system time, of itself and of the children that ended. */
  readonly seconds: number;
}

function processOf(pid: number): Process | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name of the program may hold anything; what follows its last parenthesis is numbers.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const ticks = [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index]), 0);
    return { parent: Number(fields[1]), seconds: ticks / TICKS_PER_SECOND };
  } catch {
    return undefined;
  }
}

/** CPU that a process, its children and those of its children that ended have used; NaN where it cannot be seen. */
export function cpuSecondsOf(pid: number | undefined): number {
  const own = pid === undefined ? undefined : processOf(pid);
  if (own === undefined) return NaN;
  const children = readdirSync('/proc')
    .map((name) => (/^\d+$/.test(name) ? processOf(Number(name)) : undefined))
    .filter((process) => process?.parent === pid);
  return children.reduce((sum, child) => sum + (child?.seconds ?? 0), own.seconds);
}

/** The first process of a PostgreSQL server on this machine; undefined for one that runs elsewhere. */
export async function postmasterOf(url: string): Promise<number | undefined> {
  if (!['127.0.0.1', 'localhost', '[::1]'].includes(new URL(url).hostname)) return undefined;
  const [row] = await queryOnce<{ pid: number }>(url, 'SELECT pg_backend_pid() AS pid');
  return processOf(row?.pid ?? 0)?.parent;
}
