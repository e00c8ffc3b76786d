import type { AnswerResult } from '../core/notify/text/answer.ts';
import type { TextContext } from '../core/notify/text/sentence.ts';
import type { AlertAction } from '../lib/action-token.ts';
import type { FrameColumn } from '../core/frame/frame.ts';
import type { FrameWriter, WriteBytes } from '../ports/frame.ts';
import type { Logger, Metrics } from '../ports/metrics.ts';
import type { Clock } from '../ports/time.ts';
import type { Db } from '../queries/db.ts';
import type { SensorIndex } from '../queries/sensor-index.ts';
import type { DaemonView, Operations } from './daemon.ts';
import type { Access } from './access/access.ts';
import type { Events } from './events/index.ts';
import type { Places } from './places.ts';
import type { SharedReads } from './shared-reads.ts';

/** Dependencies of the API on the daemon. `src/app/wiring/api.ts` builds it with the first request. */
export interface DaemonDeps {
  /** Connections of its own, few and with limits of time: a query of the page never waits before one of the intake. */
  readonly db: Db;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly program: ProgramFacts;
  /** Index of the sensors in `db`. */
  readonly sensors: SensorIndex;
  readonly daemon: DaemonView;
  readonly operations: Operations;
  readonly frames: OpenFrameWriter;
  /** Links in notifications; absent: none are configured. */
  readonly links?: LinkDeps | undefined;
}

/** Dependencies of the links in notifications. */
export interface LinkDeps {
  /** As it is now; undefined: its file cannot be read, or holds none. */
  readonly secret: () => string | undefined;
  /** How texts are written that a sink sends. */
  readonly contextOf: (sink: string) => TextContext;
  readonly act: (request: LinkRequest) => Promise<AnswerResult>;
}

export interface LinkRequest {
  readonly action: AlertAction;
  readonly alertId: string;
  readonly by: string;
  readonly comment: string;
  /** Equal for every use of a link. */
  readonly requestId: string;
}

/** Writes frames in a format that is not text. The library of the format is loaded with the first one. */
export type OpenFrameWriter = (
  columns: readonly FrameColumn[],
  format: 'parquet',
  write: WriteBytes,
) => Promise<FrameWriter>;

/** Dependencies of a resource. */
export interface ApiDeps extends DaemonDeps {
  /** Tokens and sessions. */
  readonly access: Access;
  readonly events: Events;
  /** Answers that are the same for everyone. */
  readonly shared: SharedReads;
  /** Exports that run. */
  readonly exports: Places;
}

export interface ProgramFacts {
  readonly version: string;
  readonly startedAtMs: number;
  /** The client id at the broker. */
  readonly clientId: string;
  /** Whether database and broker are the embedded ones. */
  readonly embedded: { readonly database: boolean; readonly broker: boolean };
}
