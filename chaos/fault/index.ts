import { DISK_FAULTS } from './disk.ts';
import type { Fault } from './fault.ts';
import { LINK_FAULTS } from './links.ts';
import { PROCESS_FAULTS } from './processes.ts';
import { SESSION_FAULTS } from './sessions.ts';

/** Every kind of fault: to add one is an entry in a file of this folder. */
const FAULTS: readonly Fault[] = [...PROCESS_FAULTS, ...LINK_FAULTS, ...SESSION_FAULTS, ...DISK_FAULTS];

/** Faults that are possible with a database: all, or the requested ones. Throws on an unknown kind. */
export function faultsFor(backend: 'embedded' | 'server', only: readonly string[] | undefined): Fault[] {
  const possible = FAULTS.filter(({ needs }) => needs === undefined || needs === backend);
  if (only === undefined) return possible;
  const kinds = possible.map(({ kind }) => kind);
  const unknown = only.find((kind) => !kinds.includes(kind));
  if (unknown !== undefined) {
    throw new Error(`--only: "${unknown}" is no fault here; expected some of ${kinds.join(',')}`);
  }
  return possible.filter(({ kind }) => only.includes(kind));
}
