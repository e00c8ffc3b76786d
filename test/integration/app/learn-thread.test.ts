import { expect, test } from '@jest/globals';
import { proposeConfig } from '../../../src/app/learn/propose-config.ts';
import { proposeInThread } from '../../../src/app/learn/propose-in-thread.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { Gathering } from '../../../src/learn/gathering.ts';

const { config } = loadConfig({ text: '{}', file: 'test.yaml', env: {} });
const options = { config, mqtt: undefined, alerts: true };

/** Payloads are parts of one large buffer, as they come from a socket. */
function gathered(): Gathering {
  const gathering = new Gathering({ topics: 300, bytes: 2 * 1024 ** 2 });
  const socket = Buffer.alloc(1024 ** 2);
  let at = 0;
  for (let n = 0; n < 600; n++) {
    const length = socket.write(JSON.stringify({ temperature: 20 + (n % 7), battery: 90 }), at);
    gathering.add({
      ...{ topic: `site/hall/dev-${n % 12}/state`, retain: false, contentType: undefined },
      payload: socket.subarray(at, at + length),
      receivedAtMs: Date.UTC(2026, 0, 1) + n * 500,
    });
    at += length;
  }
  return gathering;
}

test('a proposal of a thread is that of the caller itself, while the caller goes on', async () => {
  const gathering = gathered();
  let turns = 0;
  const working = proposeInThread(gathering, options, new AbortController().signal);
  const turning = setInterval(() => (turns += 1), 1);
  const proposal = await working;
  clearInterval(turning);
  expect(proposal).toEqual(proposeConfig(gathering, options));
  expect(proposal.learned.routes[0]?.devices).toHaveLength(12);
  expect(turns).toBeGreaterThan(0);
});

test('what is passed to it are the payloads, and not the buffers that they are parts of', () => {
  const { samples } = gathered().snapshot();
  const bytes = samples.reduce((sum, { payload }) => sum + payload.buffer.byteLength, 0);
  expect(bytes).toBe(samples.reduce((sum, { payload }) => sum + payload.length, 0));
});

test('it ends with the daemon', async () => {
  const stop = new AbortController();
  const working = proposeInThread(gathered(), options, stop.signal);
  stop.abort();
  await expect(working).rejects.toThrow('the run was ended');
});
