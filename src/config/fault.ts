import { counted } from '../core/counted.ts';
import { FieldwatchError } from '../core/errors.ts';

export type ConfigPath = readonly (string | number)[];

/** One thing that is wrong with the configuration, and where. */
export interface ConfigFault {
  /** A file name, `environment: FIELDWATCH_…` or `command line`. */
  readonly file: string;
  /** 1-based; null where the origin is no file. */
  readonly line: number | null;
  readonly column: number | null;
  /** `routes[0].topic`; empty for the file as a whole. */
  readonly path: string;
  readonly message: string;
}

/** Every fault of a configuration at once. Its message has one line per fault and never a secret. */
export class ConfigError extends FieldwatchError {
  readonly faults: readonly ConfigFault[];

  constructor(faults: readonly ConfigFault[]) {
    super(
      `configuration refused, ${counted(faults.length, 'fault')}:\n${faults.map(formatFault).join('\n')}`,
      {
        code: 'CONFIG_INVALID',
        kind: 'config',
        remedy: 'correct every line above; docs/configuration.md describes each key',
      },
    );
    this.name = 'ConfigError';
    this.faults = faults;
  }
}

/** `file:line:column: path: message`, the form editors and CI jump to. */
export function formatFault(fault: ConfigFault): string {
  const where = fault.line === null ? fault.file : `${fault.file}:${fault.line}:${fault.column ?? 1}`;
  return [where, fault.path, fault.message].filter((part) => part !== '').join(': ');
}

/** `['sensors', 'declare', 'a.b', 'tags', 0]` -> `sensors.declare["a.b"].tags[0]`. */
export function formatPath(path: ConfigPath): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (!/^[\w*-]+$/.test(part)) text += `[${JSON.stringify(part)}]`;
    else text += text === '' ? part : `.${part}`;
  }
  return text;
}

/** Files in the order in which they were first seen, then by position: the order in which they are corrected. */
export function sortFaults(faults: readonly ConfigFault[], files: readonly string[]): ConfigFault[] {
  const rank = (fault: ConfigFault) => {
    const index = files.indexOf(fault.file);
    return index === -1 ? files.length : index;
  };
  return faults
    .map((fault, order) => ({ fault, order }))
    .sort(
      (a, b) =>
        rank(a.fault) - rank(b.fault) ||
        (a.fault.line ?? 0) - (b.fault.line ?? 0) ||
        (a.fault.column ?? 0) - (b.fault.column ?? 0) ||
        a.order - b.order,
    )
    .map(({ fault }) => fault);
}
