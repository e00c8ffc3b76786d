import { readFileSync } from 'node:fs';
import { uptime } from 'node:os';
import type { BootClock } from '../../ports/time.ts';

const BOOT_ID = '/proc/sys/kernel/random/boot_id';

/** As the system has it; elsewhere than on Linux no boot is recognised. */
export function createBootClock(): BootClock {
  return { id: bootId(), uptimeMs };
}

function bootId(): string | undefined {
  // Inside of some containers the time since the boot is that of the container, and the boot that of the machine.
  if (uptimeMs() + 1000 < monotonicMs()) return undefined;
  try {
    return readFileSync(BOOT_ID, 'latin1').trim() || undefined;
  } catch {
    return undefined;
  }
}

function uptimeMs(): number {
  try {
    return uptime() * 1000;
  } catch {
    return monotonicMs();
  }
}

/** Since the boot, without the time that the machine slept. */
const monotonicMs = () => Number(process.hrtime.bigint() / 1_000_000n);
