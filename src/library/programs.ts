import type { Program } from '../app/program.ts';
import { FieldwatchError } from '../core/errors.ts';
import type { Monitor } from './monitor-types.ts';
import { isClosed } from './recorder.ts';

/** The programs of monitors, for further entries of the package. */
const programs = new WeakMap<Monitor, Program | 'closed'>();

export const rememberProgram = (monitor: Monitor, program: Program): void =>
  void programs.set(monitor, program);

export const forgetProgram = (monitor: Monitor): void => void programs.set(monitor, 'closed');

/** @throws FieldwatchError MONITOR_CLOSED, MONITOR_FOREIGN of what `openMonitor` of this package did not give */
export function programOf(monitor: Monitor): Program {
  const program = programs.get(monitor);
  if (program === 'closed') throw isClosed();
  if (program !== undefined) return program;
  throw new FieldwatchError('this is no monitor of this copy of fieldwatch', {
    code: 'MONITOR_FOREIGN',
    kind: 'bug',
    remedy:
      'give what openMonitor returned; `npm ls fieldwatch` shows whether the package is installed twice',
  });
}
