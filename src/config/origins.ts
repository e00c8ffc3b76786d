import { type ConfigFault, type ConfigPath, formatPath } from './fault.ts';

export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Where a value comes from. */
export type Origin =
  | { readonly kind: 'file'; readonly file: string; readonly key: Position; readonly value: Position }
  | { readonly kind: 'environment'; readonly name: string }
  | { readonly kind: 'command line' };

/** Remembers the origin of each value of the merged tree, by path. */
export class Origins {
  readonly #byPath = new Map<string, Origin>();
  readonly #fallback: string;

  /** `fallback` names the place of what has no origin at all: the main file. */
  constructor(fallback: string) {
    this.#fallback = fallback;
  }

  set(path: ConfigPath, origin: Origin): void {
    this.#byPath.set(JSON.stringify(path), origin);
  }

  get(path: ConfigPath): Origin | undefined {
    return this.#byPath.get(JSON.stringify(path));
  }

  /** Takes over what `other` knows at and below `at`. */
  adopt(other: Origins, at: ConfigPath): void {
    for (const [text, origin] of other.#byPath) {
      const path = JSON.parse(text) as ConfigPath;
      if (at.every((part, index) => path[index] === part)) this.set(path, origin);
    }
  }

  /** A fault about the value at `path`; about its key with `at: 'key'`; about what is absent, at its parent's key. */
  fault(path: ConfigPath, message: string, at: 'value' | 'key' = 'value'): ConfigFault {
    const shown = { path: formatPath(path), message };
    for (let length = path.length; length >= 0; length--) {
      const origin = this.get(path.slice(0, length));
      if (origin === undefined) continue;
      if (origin.kind === 'environment')
        return { file: `environment: ${origin.name}`, line: null, column: null, ...shown };
      if (origin.kind === 'command line') return { file: 'command line', line: null, column: null, ...shown };
      const exact = length === path.length && at === 'value';
      return { file: origin.file, ...(exact ? origin.value : origin.key), ...shown };
    }
    return { file: this.#fallback, line: null, column: null, ...shown };
  }

  /** `fieldwatch.yaml:12`, `environment: FIELDWATCH_…`, `command line` or `default`. */
  describe(path: ConfigPath): string {
    let origin = this.get(path);
    // An element of a list that the environment or the command line gave has no origin of its own.
    for (let length = path.length - 1; origin === undefined && length > 0; length--) {
      const above = this.get(path.slice(0, length));
      if (above?.kind === 'file') break;
      origin = above;
    }
    if (origin === undefined) return 'default';
    if (origin.kind === 'file') return `${origin.file}:${origin.key.line}`;
    return origin.kind === 'environment' ? `environment: ${origin.name}` : 'command line';
  }
}
