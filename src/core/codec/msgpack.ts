import { rejectPayload, type CodecKind, type Payload } from './codec.ts';
import { MsgpackError, MsgpackReader } from './msgpack-reader.ts';
import { isTooDeep } from './tree.ts';

/** One MessagePack value, nothing behind it. */
export function decodeMsgpack(bytes: Uint8Array, maxDepth: number): Payload {
  try {
    return { kind: 'document', value: new MsgpackReader(bytes).readAll(maxDepth) };
  } catch (error) {
    if (isTooDeep(error)) return rejectPayload('too_deep');
    const why = error instanceof MsgpackError ? error.message : 'a string is no UTF-8';
    return rejectPayload('parse_error', `not MessagePack: ${why}`);
  }
}

export const msgpack: CodecKind = {
  name: 'msgpack',
  summary: 'a MessagePack map, or an array of them',
  create: () => ({ decode: (bytes, context) => decodeMsgpack(bytes, context.limits.max_depth) }),
};
