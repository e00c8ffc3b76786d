import { expect, test } from '@jest/globals';
import type { Status } from '../../../src/api/contract/status.ts';
import { status } from '../../../src/api/resource/status.ts';
import { SharedReads } from '../../../src/api/shared-reads.ts';
import { apiDeps } from '../../support/api-server.ts';
import { FakeClock } from '../../support/fake-clock.ts';

test('a database that does not answer does not delay the facts of the daemon, and is queried once', async () => {
  const clock = new FakeClock();
  let asked = 0;
  const db = { query: () => (asked++, new Promise<never>(() => undefined)) };
  const shared = new SharedReads({ clock, isBehind: () => false, sizeOf: () => 0 });
  const deps = { ...apiDeps({ clock, db }), shared };
  const read = async (): Promise<Status> => {
    const answer = status.handle({ by: { role: 'viewer', name: null } } as never, deps as never);
    clock.advance(5000);
    return (await answer) as Status;
  };
  for (let n = 0; n < 3; n++)
    expect(await read()).toMatchObject({ alerts: null, sensors: null, deadLetters: null, broker: {} });
  expect(asked).toBe(1);
});
