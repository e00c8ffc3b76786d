import { FieldwatchError } from '../../errors.ts';

/** Error code of the store: another member now owns some of the shards of an evaluation, and nothing of it is written. */
export const LEASE_LOST = 'LEASE_LOST';

export class LeaseLost extends FieldwatchError {
  readonly shards: readonly number[];

  constructor(group: string, shards: readonly number[]) {
    super(`alerts: another member of the group ${group} owns shards ${shards.join(', ')} now`, {
      code: LEASE_LOST,
      kind: 'transient',
    });
    this.shards = shards;
  }
}
