import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Mosquitto } from '../../support/mosquitto.ts';
import { SourceProbe, mqttOptions, plainClient } from '../../support/mqtt-source.ts';
import { describeWith } from '../../support/tools.ts';

const FLAPS = 50;
/** Sixty seconds of flaps, and the default waits of 1 s to 30 s, in a twentieth of the time. */
const RECONNECT = { baseMs: 50, capMs: 1500 };
const UP_AND_DOWN_MS = 3000 / FLAPS;

describeWith('mosquitto').each([5, 4] as const)(
  'a broker that flaps, protocol version %i',
  (protocolVersion) => {
    let broker: Mosquitto;
    let probe: SourceProbe;

    beforeEach(async () => {
      broker = await Mosquitto.start({ persistence: true });
      const filters = ['t/#', 'u/+/x', 'v'];
      probe = new SourceProbe(
        mqttOptions(broker.url, { protocolVersion, filters, reconnect: RECONNECT, statusTopic: undefined }),
      );
      await probe.start();
      await probe.connected();
    });

    afterEach(async () => {
      await probe.source.stop();
      await broker.stop();
    });

    test(`statement 12: ${FLAPS} flaps of the broker: bounded connects, and exactly one set of subscriptions`, async () => {
      const started = performance.now();
      for (let flap = 0; flap < FLAPS; flap++) {
        await broker.kill('SIGKILL');
        await broker.launch();
        // Up for a moment: sometimes long enough for the daemon to be back, sometimes not.
        await new Promise((resolve) => setTimeout(resolve, UP_AND_DOWN_MS));
      }
      const seconds = (performance.now() - started) / 1000;
      const connects = probe.states('connected').length;
      expect(connects).toBeLessThanOrEqual(FLAPS + 1);
      // Attempts without a broker are bounded by the backoff: its first waits after each connection, and its cap.
      const attempts = probe.states('disconnected').length;
      expect(attempts).toBeLessThanOrEqual(2 * FLAPS + (seconds * 1000) / RECONNECT.baseMs);
      // The last broker is up now and stays; wherever the daemon stands, it ends with one connection and one set.
      const publisher = await plainClient(broker.url);
      await broker.logged('Sending SUBACK to station');
      for (const topic of ['t/1', 'u/1/x', 'v']) await publisher.publishAsync(topic, topic, { qos: 1 });
      await probe.until(() => probe.texts.includes('v'));
      expect(probe.texts).toEqual(['t/1', 'u/1/x', 'v']);
      expect(broker.count('Received SUBSCRIBE from station')).toBe(1);
      expect(broker.log.match(/New client connected from \S+ as station /g)).toHaveLength(1);
      publisher.end(true);
    });
  },
);
