import type { OwnedShards } from '../../../core/alert/cluster/shard-lease.ts';
import { shardOf } from '../../../core/alert/cluster/shard.ts';
import type { ShardFence } from '../../../core/alert/model.ts';

/**
 * `new`: owned, and its states are not read yet. `catching_up`: they are; until the handover is empty, arrivals go
 * through it, too, for what waits there is older. `ready`: arrivals are evaluated at once. `held`: like `catching_up`,
 * until other members have handed over what they may have that is earlier. `leaving`: to be released.
 */
export type ShardState = 'new' | 'catching_up' | 'ready' | 'held' | 'leaving';

interface Owned {
  readonly epoch: number;
  state: ShardState;
}

/** No shard ever has it: writes under it are refused. */
const NO_EPOCH = -1;

/** The shards that this member of a share group owns, as far as it knows, and the state of each. */
export class ShardTable {
  readonly group: string;
  readonly member: string;
  private readonly owned = new Map<number, Owned>();
  private eras = 0;
  /** The database is away: evaluations of that time are published, and repeated when it is back. */
  isAway: () => boolean = () => false;

  constructor(group: string, member: string) {
    this.group = group;
    this.member = member;
  }

  get size(): number {
    return this.owned.size;
  }

  get era(): string {
    return `${this.member} ${this.eras}`;
  }

  /** With their fencing tokens. */
  get all(): OwnedShards {
    return new Map([...this.owned].map(([shard, { epoch }]) => [shard, epoch]));
  }

  stateOf(shard: number): ShardState | undefined {
    return this.owned.get(shard)?.state;
  }

  in(...states: readonly ShardState[]): number[] {
    return [...this.owned].flatMap(([shard, { state }]) => (states.includes(state) ? [shard] : []));
  }

  /** Arrivals of the sensor are evaluated here. */
  evaluates(sensorId: number): boolean {
    const state = this.owned.get(shardOf(sensorId))?.state;
    return state === 'ready' || (state === 'held' && this.isAway());
  }

  gain(shards: OwnedShards): void {
    for (const [shard, epoch] of shards) this.owned.set(shard, { epoch, state: 'new' });
  }

  move(shards: Iterable<number>, to: ShardState): void {
    for (const shard of shards) {
      const found = this.owned.get(shard);
      if (found !== undefined) found.state = to;
    }
  }

  /** @returns those that it had. */
  lose(shards: Iterable<number>): number[] {
    return [...shards].filter((shard) => this.owned.delete(shard));
  }

  /** Evaluations that are not written are void. */
  nextEra(): void {
    this.eras++;
  }

  fenceOf(shards: Iterable<number>): ShardFence {
    const { group, era } = this;
    const tokens = [...shards].map((shard) => [shard, this.owned.get(shard)?.epoch ?? NO_EPOCH] as const);
    return { group, era, shards: tokens };
  }
}
