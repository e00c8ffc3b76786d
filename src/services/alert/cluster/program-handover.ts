import { LEASE_MS } from '../../../core/alert/cluster/shard.ts';
import { messageOf } from '../../../core/errors.ts';
import { Outage } from '../../../lib/outage.ts';
import { PollLoop } from '../../../lib/poll-loop.ts';
import { endsWithin } from '../../../lib/timeout.ts';
import type { ClaimStore, LeaseStore } from '../../../ports/lease.ts';
import type { Logger } from '../../../ports/metrics.ts';
import type { Clock } from '../../../ports/time.ts';
import { type HandoverReaderDeps, HandoverReader } from './handover.ts';
import { ShardTable } from './shard-table.ts';

/** The group of what belongs to no share group: a daemon of its own, and programs. */
export const NO_GROUP = '';

export interface ProgramHandoverDeps extends Pick<
  HandoverReaderDeps,
  'engine' | 'registry' | 'commit' | 'between' | 'spoolWriter'
> {
  /** `CLIENT on HOST (pid …)`, as in a share group. */
  readonly member: string;
  readonly leases: Pick<LeaseStore, 'renew' | 'leave'> & ClaimStore;
  readonly handover: HandoverReaderDeps['store'];
  /** Sensors and alert states are read again, between two batches. */
  readonly reread: () => Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
}

const RENEW_EVERY_MS = 2000;
const STOP_PATIENCE_MS = 2000;

/**
 * A daemon without a share group evaluates everything that is written into its database. What programs record
 * (`openMonitor`) they hand over to the owner of the shards of the group without a name, which this daemon is for as long as
 * it runs: it claims them before it reads the alert states, and evaluates what is handed over between its own batches.
 */
export class ProgramHandover {
  private readonly deps: ProgramHandoverDeps;
  private readonly table: ShardTable;
  private readonly reader: HandoverReader;
  private readonly rounds: PollLoop;
  private readonly outage: Outage;
  private joined = false;

  constructor(deps: ProgramHandoverDeps) {
    const { member, handover, engine, registry, commit, between, spoolWriter, clock, logger } = deps;
    this.deps = deps;
    this.outage = new Outage(clock);
    this.table = new ShardTable(NO_GROUP, member);
    this.reader = new HandoverReader({
      ...{
        table: this.table,
        store: handover,
        engine,
        registry,
        commit,
        between,
        spoolWriter,
        clock,
        logger,
      },
      leases: ALWAYS,
      // Its connection would be one more for every daemon: programs' readings are looked for every two seconds.
      notified: () => true,
    });
    this.rounds = new PollLoop({ clock, everyMs: RENEW_EVERY_MS, run: () => this.round() });
  }

  /** Before the alert states are read: from here on no program writes any. */
  async claim(): Promise<void> {
    await this.renew();
  }

  start(): void {
    this.reader.start();
    this.rounds.start();
  }

  /** Readings handed over from now on wait for the next daemon. Idempotent. */
  async stop(): Promise<void> {
    this.reader.stop();
    await this.rounds.stop();
    if (!this.joined) return;
    this.joined = false;
    const { leases, member, logger, clock } = this.deps;
    // The row stays: programs see from it that a daemon evaluates this database.
    const left = leases.leave(NO_GROUP, member, 'something').catch((error: unknown) => {
      logger.debug({ error: messageOf(error) }, 'shards of programs not released');
    });
    await endsWithin(left, STOP_PATIENCE_MS, clock);
  }

  private async round(): Promise<void> {
    try {
      // While batches go to the spool the database is away.
      if (this.deps.spoolWriter()) return;
      if ((await this.renew()) > 0) {
        this.deps.logger.warn(
          {},
          'programs evaluated alerts while this daemon did not renew its lease, reading the states again',
        );
        await this.deps.reread();
      }
      this.outage.recovered();
    } catch (error) {
      if (this.outage.failed(error))
        this.deps.logger.debug({ error: messageOf(error) }, 'cannot renew the lease of programs, retrying');
    }
  }

  /** @returns how many shards programs had. */
  private async renew(): Promise<number> {
    const { leases, member } = this.deps;
    this.joined = true;
    const report = { connectsSensors: false, behind: false };
    let view = await leases.renew(NO_GROUP, member, LEASE_MS, report);
    let programs = 0;
    if (view.shards.some(({ owner }) => owner !== member)) {
      programs = await leases.claim(NO_GROUP, member);
      view = await leases.renew(NO_GROUP, member, LEASE_MS, report);
    }
    const owned = new Map(
      view.shards.flatMap(({ owner, epoch }, shard) => (owner === member ? [[shard, epoch] as const] : [])),
    );
    const known = this.table.all;
    this.table.lose([...known.keys()].filter((shard) => owned.get(shard) !== known.get(shard)));
    const gained = new Map([...owned].filter(([shard]) => this.table.stateOf(shard) === undefined));
    this.table.gain(gained);
    // The engine has everything: there are no states to be read for a shard.
    this.table.move(gained.keys(), 'ready');
    return programs;
  }
}

/** Nothing is earlier than what it evaluates: there are no other members. */
const ALWAYS: HandoverReaderDeps['leases'] = {
  attend: () => {},
  holdIfBehind: () => {},
  caughtUp: () => {},
  mayEvaluate: true,
  lateByMs: 0,
};
