import type { ReceivedMessage } from '../../adapters/mqtt/listener.ts';

// The byte order mark stays: a capture holds the exact bytes.
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** One line of a capture, as `decode --replay` reads it: text as it is, other bytes in hex. */
export function captureLine({ topic, payload, retain, receivedAtMs, contentType }: ReceivedMessage): string {
  const text = textOf(payload);
  return JSON.stringify({
    topic,
    ...(text === undefined ? { payload_hex: Buffer.from(payload).toString('hex') } : { payload: text }),
    retain,
    received_at: new Date(receivedAtMs).toISOString(),
    ...(contentType === undefined ? {} : { content_type: contentType }),
  });
}

function textOf(payload: Uint8Array): string | undefined {
  try {
    return strict.decode(payload);
  } catch {
    return undefined;
  }
}
