import mqtt, { type MqttClient } from 'mqtt';

/** One numbered reading for each of `from..to-1`: device n%50, a time of its own, the number as temperature. */
export function numberedMessage(n: number, baseMs: number): { topic: string; payload: string } {
  return {
    topic: `sensors/lab/d${n % 50}/readings`,
    payload: JSON.stringify({ ts: baseMs + n, temperature: n % 60, seq: n }),
  };
}

/** Publishes numbered messages at QoS 1, a bounded number unacknowledged; resolves when the broker has them all. */
export async function publishNumbered(url: string, from: number, to: number, baseMs: number): Promise<void> {
  const client = await mqtt.connectAsync(url, {
    protocolVersion: 5,
    clean: true,
    clientId: `publisher-${from}`,
  });
  try {
    let next = from;
    const worker = async (): Promise<void> => {
      while (next < to) {
        const { topic, payload } = numberedMessage(next++, baseMs);
        await publishOne(client, topic, payload);
      }
    };
    await Promise.all(Array.from({ length: 50 }, worker));
  } finally {
    await client.endAsync();
  }
}

async function publishOne(client: MqttClient, topic: string, payload: string): Promise<void> {
  await client.publishAsync(topic, payload, { qos: 1 });
}

/**
 * Publishes numbered messages at a steady rate until `stop`. Resolves with how many there were, once the broker has them
 * all.
 */
export async function publishSteadily(
  url: string,
  baseMs: number,
  perSecond: number,
  stop: AbortSignal,
): Promise<number> {
  const client = await mqtt.connectAsync(url, { protocolVersion: 5, clean: true });
  const sent: Promise<void>[] = [];
  const perTick = Math.max(1, Math.round(perSecond / 20));
  while (!stop.aborted) {
    for (let i = 0; i < perTick; i++) {
      const { topic, payload } = numberedMessage(sent.length, baseMs);
      sent.push(publishOne(client, topic, payload));
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await Promise.all(sent);
  await client.endAsync();
  return sent.length;
}
