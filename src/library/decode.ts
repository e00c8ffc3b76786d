import { decodeMessage } from '../app/operator/decode-message.ts';
import { loadConfig } from '../config/load.ts';
import type { Config } from '../config/schema/index.ts';
import { FieldwatchError, messageOf } from '../core/errors.ts';
import { rejectPayload } from '../core/ingest/codec/codec.ts';
import { addCodec } from '../core/ingest/codec/index.ts';
import { plainDocument, treeFault, treeLimits } from '../core/ingest/codec/tree.ts';
import { checkArgument } from './arguments.ts';
import type { CodecInput, DecodedMessage, MessageInput, RouteInput } from './pure-types.ts';
import { timeOf } from './time.ts';

let defaults: Config | undefined;

/**
 * Decodes a message by a route, as the daemon does. Pure: the same route, message and time of arrival give the same
 * readings.
 *
 * @throws FieldwatchError ROUTE_INVALID
 *
 * @example
 * ```ts
 * import { decode } from 'fieldwatch';
 *
 * const { readings } = decode(
 *   { topic: 'plant/{device}', codec: 'json' },
 *   { topic: 'plant/boiler', payload: '{"temperature": 81.5}', receivedAt: '2026-01-01T00:00:00Z' },
 * );
 * console.log(readings[0]?.sensor, readings[0]?.metrics); // boiler { temperature: 81.5 }
 * ```
 */
export function decode(route: RouteInput, message: MessageInput): DecodedMessage {
  checkArgument('decode', 'route', route, 'route');
  checkArgument('decode', 'message', message, 'message');
  const { topic, payload, retain = false, contentType, receivedAt = Date.now() } = message;
  defaults ??= loadConfig({ text: '{}', env: {} }).config;
  const at = timeOf(receivedAt, 'receivedAt');
  const bytes = typeof payload === 'string' ? Buffer.from(payload, 'utf8') : Buffer.from(payload);
  const decoded = decodeMessage(
    defaults,
    {
      ...{ topic, retain, contentType, route, encoding: 'base64', payload: bytes.toString('base64') },
      receivedAt: at.toISOString(),
    },
    at.getTime(),
  );
  return {
    reject: decoded.reject,
    readings: decoded.readings.map(({ device, time, metrics }) => ({
      sensor: device,
      time: new Date(time),
      metrics: Object.fromEntries(metrics.map(({ metric, value }) => [metric, value])),
    })),
    dropped: decoded.dropped,
    ambiguous: decoded.ambiguous,
  };
}

const NAME = /^[a-z][a-z0-9_-]{0,63}$/;

/**
 * Adds a payload format to this process: routes name it as their `codec`, in `decode`, `parseConfig` and `startDaemon` alike. A second
 * registration of a name replaces the first, for routes that are compiled later.
 *
 * @throws FieldwatchError CODEC_INVALID for a name that a format of fieldwatch has, or that is no lower-case word
 *
 * @example
 * ```ts
 * import { decode, registerCodec } from 'fieldwatch';
 *
 * registerCodec({
 *   name: 'half-degrees',
 *   summary: 'one byte: the temperature in half degrees',
 *   decode: (payload) => ({ temperature: (payload[0] ?? 0) / 2 }),
 * });
 * const { readings } = decode(
 *   { topic: 'tank/{device}', codec: 'half-degrees' },
 *   { topic: 'tank/a', payload: Uint8Array.of(43) },
 * );
 * console.log(readings[0]?.metrics); // { temperature: 21.5 }
 * ```
 */
export function registerCodec(codec: CodecInput): void {
  checkArgument('registerCodec', 'codec', codec, 'codec');
  const { name, summary, decode: read } = codec;
  const isNew =
    NAME.test(name) &&
    addCodec({
      ...{ name, summary },
      create: () => ({
        decode: (bytes, { topic, contentType, limits }) => {
          let value: unknown;
          try {
            value = read(bytes, { topic, contentType });
          } catch (error) {
            return rejectPayload('parse_error', messageOf(error));
          }
          try {
            return { kind: 'document', value: plainDocument(value, treeLimits(limits)) };
          } catch (error) {
            return treeFault(error, `the codec ${name} gave no document: ${messageOf(error)}`);
          }
        },
      }),
    });
  if (isNew) return;
  throw new FieldwatchError(`${JSON.stringify(name)} cannot be the name of a codec`, {
    code: 'CODEC_INVALID',
    kind: 'config',
    remedy: 'choose a lower-case word that is not the name of a built-in codec',
  });
}
