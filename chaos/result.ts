import type { Violation } from './check/violation.ts';
import type { FaultRecord } from './injector.ts';

/** Result of a run: the document of `--json`. */
export interface ChaosResult {
  readonly seed: number;
  readonly seconds: number;
  readonly rate: number;
  readonly database: 'embedded' | 'server';
  readonly sent: number;
  readonly stored: number;
  readonly episodes: { readonly expected: number; readonly resolved: number };
  readonly scrapes: number;
  readonly daemon: { readonly starts: number; readonly failedStarts: number };
  readonly planned: Readonly<Record<string, number>>;
  readonly faults: readonly FaultRecord[];
  /** Warnings and errors in the daemon's log, by message. */
  readonly troubles: Readonly<Record<string, number>>;
  readonly settleMs: number;
  readonly violations: readonly Violation[];
  /** Where the logs are; undefined when they were removed. */
  readonly folder: string | undefined;
}
