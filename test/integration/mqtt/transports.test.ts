import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Certificate, TestAuthority } from '../../support/certificates.ts';
import { Mosquitto } from '../../support/mosquitto.ts';
import { SourceProbe, mqttOptions, plainClient } from '../../support/mqtt-source.ts';
import { describeWith } from '../../support/tools.ts';
import { WebSocketBridge } from '../../support/ws-bridge.ts';

const WINDOW = 60;
const MESSAGES = 300;

/** Empty, small, larger than a chunk of the socket, and larger than a TLS record; each carries its number. */
const payloadOf = (n: number): Buffer => {
  const bytes = [0, 3, 90, 1500, 17_000, 70_000, 16_384, 130_000][n % 8] as number;
  return Buffer.concat([Buffer.from(`${n}:`), Buffer.alloc(bytes, n)]);
};

describeWith('mosquitto', 'openssl')('messages of all sizes arrive whole and in order', () => {
  let dir: string;
  let authority: TestAuthority;
  let server: Certificate;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'fieldwatch-transports-'));
    authority = await TestAuthority.create(dir);
    server = await authority.issue('server', 20);
  });

  afterAll(() => rm(dir, { recursive: true }));

  test.each([
    ['mqtt', 4],
    ['mqtt', 5],
    ['mqtts', 5],
    ['ws', 5],
    ['wss', 4],
  ] as const)('%s, protocol version %i', async (scheme, protocolVersion) => {
    const config = ['max_queued_messages 0', `max_inflight_messages ${WINDOW}`];
    const secured = ['listener 0', `certfile ${server.certFile}`, `keyfile ${server.keyFile}`];
    const broker = await Mosquitto.start({ config: scheme === 'mqtts' ? [...config, ...secured] : config });
    const bridge = scheme.startsWith('ws')
      ? await WebSocketBridge.start(broker.port, scheme === 'wss' ? server : undefined)
      : undefined;
    const tls = { caFile: authority.caFile };
    const publisher = await plainClient(
      scheme === 'mqtts' ? broker.url.replace('mqtt:', 'mqtts:') : broker.url,
      { rejectUnauthorized: false },
    );
    const url = `${scheme}://127.0.0.1:${bridge?.port ?? broker.port}`;
    const options = mqttOptions(url, { protocolVersion, receiveMaximum: WINDOW, tls });
    const probe = new SourceProbe(options);
    probe.onMessage = () => {
      // In pieces, as batches are committed.
      if (probe.messages.length % 20 === 0) probe.source.acknowledge(probe.messages.slice(-20));
    };
    try {
      await probe.start();
      await probe.until(() => probe.states('subscribed').length > 0);
      const sent = Array.from({ length: MESSAGES }, (_, n) =>
        publisher.publishAsync(`t/${n % 7}/größe`, payloadOf(n), { qos: 1 }),
      );
      await Promise.all(sent);
      await probe.until(() => probe.messages.length === MESSAGES);
      const wrong = probe.messages.filter(
        ({ topic, payload }, n) => topic !== `t/${n % 7}/größe` || !payloadOf(n).equals(payload),
      );
      expect(wrong).toEqual([]);
      expect(probe.states('disconnected')).toEqual([]);
    } finally {
      await probe.source.stop();
      publisher.end(true);
      await bridge?.close();
      await broker.stop();
    }
  });
});
