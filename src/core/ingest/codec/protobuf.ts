import type protobuf from 'protobufjs';
import { FieldwatchError, messageOf } from '../../errors.ts';
import type { Limits } from '../mapping/context.ts';
import type { RouteConfig } from '../route-config.ts';
import type { CodecKind, Payload } from './codec.ts';
import { protobufLibrary } from './library.ts';
import { messageDocument } from './protobuf-tree.ts';
import { treeFault, treeLimits } from './tree.ts';

/** True for the text of a schema; a path of a file has no braces. */
export function isSchemaText(proto: string): boolean {
  return proto.includes('{');
}

type Fault = { readonly key: string; readonly message: string };

const isFault = (type: protobuf.Type | Fault): type is Fault => 'key' in type;

/** The message type named by `proto` and `message`, or their fault. */
function messageType({ proto, message }: RouteConfig): protobuf.Type | Fault {
  if (proto === undefined) return { key: 'proto', message: 'protobuf needs the schema: set proto' };
  if (message === undefined)
    return { key: 'message', message: 'protobuf needs the message type: set message' };
  let root: protobuf.Root;
  try {
    const parsed = protobufLibrary().parse(proto, { keepCase: true });
    if ((parsed.imports ?? []).length > 0)
      return { key: 'proto', message: `imports are not supported: ${parsed.imports?.join(', ')}` };
    root = parsed.root;
    root.resolveAll();
  } catch (error) {
    return { key: 'proto', message: `the schema cannot be read: ${messageOf(error)}` };
  }
  try {
    return root.lookupType(message);
  } catch {
    return { key: 'message', message: `the schema has no message type ${message}` };
  }
}

function decodeMessage(type: protobuf.Type, bytes: Uint8Array, limits: Limits): Payload {
  try {
    return { kind: 'document', value: messageDocument(type.decode(bytes), type, treeLimits(limits)) };
  } catch (error) {
    return treeFault(error, `not a ${type.name}`);
  }
}

export const protobufCodec: CodecKind = {
  name: 'protobuf',
  summary: 'a protobuf message of a .proto file of yours',
  preset: {},
  check: (config) => {
    // A file is not read yet: its text is checked when the routes are compiled.
    if (config.proto !== undefined && config.message !== undefined && !isSchemaText(config.proto))
      return undefined;
    const type = messageType(config);
    return isFault(type) ? type : undefined;
  },
  create: (config) => {
    const type = messageType(config);
    if (isFault(type))
      throw new FieldwatchError(`${type.key}: ${type.message}`, { code: 'ROUTE_INVALID', kind: 'config' });
    return { decode: (bytes, context) => decodeMessage(type, bytes, context.limits) };
  },
};
