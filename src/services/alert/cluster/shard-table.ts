import type { OwnedShards } from '../../../core/alert/cluster/shard-lease.ts';
import { shardOf } from '../../../core/alert/cluster/shard.ts';
import type { ShardFence } from '../../../core/alert/model.ts';

/**
 * `new`: owned, and its states are not read yet. `catching_up`: they are; until nothing waits in the handover that arrives is
 * handed over, too, for what waits there is older. `ready`: what arrives is evaluated at once. `held`: the same as `catching_up`,
 * until other members have handed over what they may have that is earlier. `leaving`: to be given back.
 */
export type ShardState = 'new' | 'catching_up' | 'ready' | 'held' | 'leaving';

interface Owned {
  readonly epoch: number;
  state: ShardState;
}

/** No shard ever has it: what is written under it is refused. */
const NO_EPOCH = -1;

/** The shards that this member of a share group owns, as far as it knows, and what it does with each. */
export class ShardTable {
  readonly group: string;
  readonly member: string;
  private readonly owned = new Map<number, Owned>();
  private eras = 0;
  /** The database is away: what is evaluated meanwhile is announced, and evaluated anew when it is back. */
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

  /** With their epochs. */
  get all(): OwnedShards {
    return new Map([...this.owned].map(([shard, { epoch }]) => [shard, epoch]));
  }

  stateOf(shard: number): ShardState | undefined {
    return this.owned.get(shard)?.state;
  }

  in(...states: readonly ShardState[]): number[] {
    return [...this.owned].flatMap(([shard, { state }]) => (states.includes(state) ? [shard] : []));
  }

  /** What arrives of the sensor is evaluated here. */
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

  /** What was evaluated and is not written counts no more. */
  nextEra(): void {
    this.eras++;
  }

  fenceOf(shards: Iterable<number>): ShardFence {
    const { group, era } = this;
    const tokens = [...shards].map((shard) => [shard, this.owned.get(shard)?.epoch ?? NO_EPOCH] as const);
    return { group, era, shards: tokens };
  }
}
