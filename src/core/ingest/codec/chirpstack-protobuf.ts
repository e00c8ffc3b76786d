import type protobuf from 'protobufjs';
import type { Limits } from '../mapping/context.ts';
import { type Doc, emptyDoc, isObject, own } from '../mapping/document.ts';
import { isoFromMicros } from '../mapping/instant.ts';
import type { CodecKind, Payload } from './codec.ts';
import { protobufLibrary } from './library.ts';
import { messageDocument } from './protobuf-tree.ts';
import { treeFault, treeLimits } from './tree.ts';

/**
 * ChirpStack's events by the field numbers of api/proto/integration, under the names of its JSON, so that one mapping
 * reads both. Fields that are not stored are skipped on the wire.
 */
const SCHEMA = `
syntax = "proto3";
message Timestamp { int64 seconds = 1; int32 nanos = 2; }
message DeviceInfo { string deviceName = 7; string devEui = 8; map<string, string> tags = 9; }
message RxInfo { int32 rssi = 6; float snr = 7; }
message Struct { map<string, Value> fields = 1; }
message ListValue { repeated Value values = 1; }
message Value {
  oneof kind {
    uint32 nullValue = 1; double numberValue = 2; string stringValue = 3; bool boolValue = 4;
    Struct structValue = 5; ListValue listValue = 6;
  }
}
message UplinkEvent {
  Timestamp time = 2; DeviceInfo deviceInfo = 3; Struct object = 11; repeated RxInfo rxInfo = 12;
}
message StatusEvent {
  Timestamp time = 2; DeviceInfo deviceInfo = 3; int32 margin = 5;
  bool externalPowerSource = 6; bool batteryLevelUnavailable = 7; float batteryLevel = 8;
}`;

interface Events {
  readonly uplink: protobuf.Type;
  readonly status: protobuf.Type;
}

let parsed: Events | undefined;

function events(): Events {
  if (parsed === undefined) {
    const { root } = protobufLibrary().parse(SCHEMA, { keepCase: true });
    parsed = { uplink: root.lookupType('UplinkEvent'), status: root.lookupType('StatusEvent') };
  }
  return parsed;
}

// A Struct takes three messages per level of JSON: struct, map entry, value.
const MESSAGES_PER_LEVEL = 3;

function decodeEvent(bytes: Uint8Array, topic: string, limits: Limits): Payload {
  const type = topic.endsWith('/status') ? events().status : events().uplink;
  try {
    const event = messageDocument(type.decode(bytes), type, {
      ...treeLimits(limits),
      depth: limits.max_depth * MESSAGES_PER_LEVEL,
    });
    return { kind: 'document', value: asJson(event) };
  } catch (error) {
    return treeFault(error, `not a ChirpStack ${type.name}`);
  }
}

function asJson(event: Record<string, unknown>): Doc {
  const time = own(event, 'time');
  if (isObject(time)) event['time'] = timeText(time);
  const object = own(event, 'object');
  if (isObject(object)) event['object'] = structJson(object);
  return event;
}

function timeText(time: Doc): string | null {
  const seconds = Number(own(time, 'seconds') ?? 0);
  const nanos = Number(own(time, 'nanos') ?? 0);
  return isoFromMicros(seconds * 1e6 + Math.floor(nanos / 1000)) ?? null;
}

/** google.protobuf.Struct as the JSON that it stands for. */
function structJson(struct: Doc): Doc {
  const json = emptyDoc();
  const fields = own(struct, 'fields');
  if (isObject(fields)) for (const key of Object.keys(fields)) json[key] = valueJson(fields[key]);
  return json;
}

function valueJson(value: unknown): unknown {
  if (!isObject(value)) return null;
  const struct = own(value, 'structValue');
  if (isObject(struct)) return structJson(struct);
  const list = own(value, 'listValue');
  if (isObject(list)) {
    const items = own(list, 'values');
    return Array.isArray(items) ? (items as unknown[]).map(valueJson) : [];
  }
  return own(value, 'numberValue') ?? own(value, 'stringValue') ?? own(value, 'boolValue') ?? null;
}

export const chirpstackProtobuf: CodecKind = {
  name: 'chirpstack-protobuf',
  summary: 'ChirpStack v4 events as protobuf (json=false)',
  device: 'own',
  create: () => ({
    decode: (bytes, { topic, limits }) => decodeEvent(bytes, topic, limits),
  }),
};
