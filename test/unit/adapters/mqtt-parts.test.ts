import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import fc from '../../support/fast-check.ts';
import {
  connackFailure,
  disconnectFailure,
  errorFailure,
  failure,
} from '../../../src/adapters/mqtt/failure.ts';
import { HeldMessages } from '../../../src/adapters/mqtt/held-messages.ts';
import { defaultStatusTopic } from '../../../src/adapters/mqtt/options.ts';
import { ReconnectPolicy } from '../../../src/adapters/mqtt/reconnect-policy.ts';
import { createFileSubscriptionMemory } from '../../../src/adapters/mqtt/subscription-memory.ts';
import type { InboundMessage } from '../../../src/ports/messages.ts';
import { QuietLogger } from '../../support/quiet-logger.ts';

describe('held messages', () => {
  const message = (packetId: number, text = ''): InboundMessage => ({
    topic: 't',
    payload: Buffer.from(text),
    qos: 1,
    retain: false,
    dup: false,
    receivedAtMs: 0,
    arrivalUs: 0,
    contentType: undefined,
    epoch: 1,
    packetId,
  });

  test('each is released once, and a copy never', () => {
    const held = new HeldMessages();
    const [a, b] = [message(1), message(2)];
    held.add(a);
    held.add(b);
    expect(held.release({ ...a })).toBeUndefined();
    expect([held.release(a), held.release(a), held.count]).toEqual([1, undefined, 1]);
    const again = message(1);
    held.add(again);
    expect(held.release(a)).toBeUndefined();
    expect([held.release(again), held.release(b), held.count]).toEqual([1, 1, 0]);
  });

  test('an id that is used twice at once is acknowledged only as far as the oldest are safe', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([0, 1, 2, 3, 4], { minLength: 5 }), (order) => {
        const held = new HeldMessages();
        const messages = order.map(() => message(7));
        const other = message(8);
        for (const item of [...messages, other]) held.add(item);
        const safe = new Set<number>();
        let acknowledged = 0;
        for (const index of order) {
          acknowledged += held.release(messages[index]!) ?? NaN;
          safe.add(index);
          let prefix = 0;
          while (safe.has(prefix)) prefix++;
          expect(acknowledged).toBe(prefix);
          expect(held.release(messages[index]!)).toBeUndefined();
        }
        expect([held.count, held.release(other), held.count]).toEqual([1, 1, 0]);
      }),
    );
  });
});

describe('failures', () => {
  test.each([
    [connackFailure(4), 'auth', true],
    [connackFailure(5), 'auth', true],
    [connackFailure(134), 'auth', true],
    [connackFailure(135), 'auth', true],
    [connackFailure(1), 'protocol_version', true],
    [connackFailure(132), 'protocol_version', true],
    [connackFailure(136), 'refused', false],
    [connackFailure(77), 'refused', false],
    [disconnectFailure(142), 'taken_over', true],
    [disconnectFailure(141), 'keepalive', false],
    [disconnectFailure(139), 'broker_closed', false],
    [errorFailure(new Error('Keepalive timeout')), 'keepalive', false],
    [errorFailure(new Error('connack timeout')), 'timeout', false],
    [errorFailure(Object.assign(new Error('x'), { code: 'ECONNREFUSED' })), 'network', false],
    [errorFailure(Object.assign(new Error('x'), { code: 'CERT_HAS_EXPIRED' })), 'tls', false],
    [errorFailure(Object.assign(new Error('x'), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })), 'tls', false],
    [errorFailure(new Error('Invalid header')), 'protocol', false],
  ])('%j is of kind %s, slow: %s', (end, kind, slow) => {
    expect(end).toMatchObject({ kind, slow });
    if (slow) expect(end.remedy).toMatch(/\.$/);
  });

  test.each([
    ['ENOTFOUND', /mqtt\.url/],
    ['ECONNREFUSED', /mqtt\.url/],
    ['ETIMEDOUT', /mqtt\.url/],
    ['SELF_SIGNED_CERT_IN_CHAIN', /mqtt\.tls\.ca_file/],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', /mqtt\.tls\.ca_file/],
    ['CERT_HAS_EXPIRED', /Renew/],
    ['ERR_TLS_CERT_ALTNAME_INVALID', /mqtt\.tls\.servername/],
    ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', /mqtt\.tls/],
  ])('%s has a remedy that names the setting', (code, remedy) =>
    expect(errorFailure(Object.assign(new Error('x'), { code })).remedy).toMatch(remedy),
  );

  test.each([
    ['Cloudflare Pub/Sub at a SUBSCRIBE of QoS 1', disconnectFailure(155), /QoS 0 only/],
    ['a share group at RabbitMQ', disconnectFailure(158), /mqtt\.share_group/],
    ['Azure Event Grid after the lifetime of a token', disconnectFailure(160), /nothing is lost/],
    ['HiveMQ Cloud at its limit of traffic', disconnectFailure(151), /limits of the account/],
    ['EMQX at a packet beyond its limit', disconnectFailure(149), /max_subscribe_filters/],
    ['a retained status at Azure Event Grid', disconnectFailure(154), /mqtt\.status_topic: null/],
    ['AWS IoT Core at a topic outside of the policy', disconnectFailure(135), /access rules/],
    ['a broker that answers from another node', connackFailure(156), /mqtt\.url/],
    ['a broker that limits connections', connackFailure(159), /mqtt\.reconnect\.min/],
    ['a client id beyond 23 characters at 3.1.1', connackFailure(2), /mqtt\.client_id/],
  ])('%s has a remedy', (_, end, remedy) => expect(end.remedy).toMatch(remedy));

  test('a broker that never answers has a remedy', () =>
    expect(errorFailure(new Error('connack timeout')).remedy).toMatch(/mqtt\.url/));
});

describe('the reconnect policy', () => {
  const limits = { baseMs: 100, capMs: 10_000 };
  let logger: QuietLogger;
  let policy: ReconnectPolicy;

  beforeEach(() => {
    logger = new QuietLogger();
    policy = new ReconnectPolicy(limits, () => 0.5, logger);
  });

  test('waits grow over short lives and start again after a long one', () => {
    const lost = failure('network', 'ECONNRESET');
    expect([0, 0, 0].map(() => policy.afterEnd(lost, undefined))).toEqual([50, 100, 200]);
    expect(policy.afterEnd(lost, 9999)).toBe(400);
    expect(policy.afterEnd(lost, 10_000)).toBe(50);
  });

  test('what needs the operator is retried slowly and logged once per reason', () => {
    const waits = [4, 4, 5, 4].map((code) => policy.afterEnd(connackFailure(code), undefined));
    expect(waits).toEqual([7500, 7500, 7500, 7500]);
    expect(logger.find('error')).toHaveLength(3);
    expect(logger.find('error')[0]?.fields['remedy']).toMatch(/password/);
  });

  test('accepted connections that keep closing early point to a shared client id, once', () => {
    for (let n = 0; n < 6; n++) policy.afterEnd(failure('broker_closed', 'closed'), 20);
    expect(logger.find(/same client id/)).toHaveLength(1);
  });

  test('a broker that is simply away does not', () => {
    for (let n = 0; n < 6; n++) policy.afterEnd(failure('network', 'ECONNREFUSED'), undefined);
    expect(logger.find(/same client id/)).toHaveLength(0);
  });
});

describe('the subscription memory', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'fieldwatch-memory-'));
  });
  afterEach(async () => {
    await rm(dir, { recursive: true });
  });

  test('gives back what it was given, and leaves no file beside it', async () => {
    const memory = createFileSubscriptionMemory(join(dir, 'state', 'subscriptions.json'));
    expect(await memory.load()).toEqual([]);
    await memory.save(['a/#', '$share/g/b/+']);
    await memory.save(['a/#']);
    expect(await memory.load()).toEqual(['a/#']);
    expect(await readdir(join(dir, 'state'))).toEqual(['subscriptions.json']);
    expect(await readFile(join(dir, 'state', 'subscriptions.json'), 'utf8')).toMatch(/\n$/);
  });

  test.each(['', '{', 'null', '[]', '{"filters":1}', '{"filters":[1,null]}'])(
    'reads a damaged file (%j) as empty',
    async (text) => {
      const path = join(dir, 'damaged.json');
      await writeFile(path, text);
      expect(await createFileSubscriptionMemory(path).load()).toEqual([]);
    },
  );
});

test('the status topic holds no wildcard and no extra level', () => {
  expect(defaultStatusTopic('a/b+c#')).toBe('fieldwatch/a_b_c_/status');
});
