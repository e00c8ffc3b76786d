import { readFileSync } from 'node:fs';

/** Resident memory of a process in MB; NaN where it cannot be seen. */
export const residentMegabytes = (pid: number | undefined): number => megabytes(pid, 'VmRSS');

/** The most that it has had. */
export const peakMegabytes = (pid: number | undefined): number => megabytes(pid, 'VmHWM');

function megabytes(pid: number | undefined, field: 'VmRSS' | 'VmHWM'): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    return Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1]) / 1024;
  } catch {
    return NaN;
  }
}
