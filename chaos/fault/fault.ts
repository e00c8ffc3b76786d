import type { SmallDisk } from '../../test/support/small-disk.ts';
import type { TcpProxy } from '../../test/support/tcp-proxy.ts';
import type { Broker } from '../broker.ts';
import type { Daemon } from '../daemon.ts';
import type { ChaosDatabase } from '../database.ts';
import type { FaultShape } from '../schedule.ts';

/** The components that a fault can act on. */
export interface Stage {
  readonly daemon: Daemon;
  readonly broker: Broker;
  readonly database: ChaosDatabase;
  readonly brokerLink: TcpProxy;
  readonly databaseLink: TcpProxy;
  /** Undefined where none can be mounted. */
  readonly spoolDisk: SmallDisk | undefined;
  /** The run is being given up. */
  readonly signal: AbortSignal;
}

export interface Fault extends FaultShape {
  /** Undefined: on every kind of database. */
  readonly needs?: 'embedded' | 'server';
  /** Does it, waits, undoes it. Resolves with what happened, for the report; rejects where it could not be done. */
  inject(stage: Stage, how: { readonly holdMs: number; readonly variant: boolean }): Promise<string>;
}

/** The name under which the daemon's sessions are known to a server. */
export const APPLICATION_NAME = 'fieldwatch-under-chaos';

/** It could not be done just now: reported, and no fault of the daemon. */
export class NotInjected extends Error {}
