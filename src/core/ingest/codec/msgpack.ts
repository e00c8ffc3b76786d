import type { CodecKind, Payload } from './codec.ts';
import { MsgpackError, MsgpackReader } from './msgpack-reader.ts';
import { type TreeLimits, treeFault, treeLimits } from './tree.ts';

/** One MessagePack value, nothing behind it. */
export function decodeMsgpack(bytes: Uint8Array, limits: TreeLimits): Payload {
  try {
    return { kind: 'document', value: new MsgpackReader(bytes).readAll(limits) };
  } catch (error) {
    const why = error instanceof MsgpackError ? error.message : 'a string is no UTF-8';
    return treeFault(error, `not MessagePack: ${why}`);
  }
}

export const msgpack: CodecKind = {
  name: 'msgpack',
  summary: 'a MessagePack map, or an array of them',
  preset: {},
  create: () => ({ decode: (bytes, context) => decodeMsgpack(bytes, treeLimits(context.limits)) }),
};
