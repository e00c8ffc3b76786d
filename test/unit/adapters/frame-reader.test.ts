import { describe, expect, jest, test } from '@jest/globals';
import mqttPacket, { type IPublishPacket, type Packet } from 'mqtt-packet';
import {
  FrameReader,
  type FrameSettings,
  MalformedPacket,
  type PublishFrame,
} from '../../../src/adapters/mqtt/broker-stream.ts';
import fc from '../../support/fast-check.ts';
import { rounds } from '../../support/rounds.ts';

const V4: FrameSettings = { protocolVersion: 4, maximumPacketSize: undefined };
const V5: FrameSettings = { protocolVersion: 5, maximumPacketSize: undefined };

/** All packets of the chunks; messages with a copy of their payload. */
function read(settings: FrameSettings, chunks: readonly Buffer[]): (PublishFrame | Buffer)[] {
  const reader = new FrameReader(settings);
  const packets: (PublishFrame | Buffer)[] = [];
  for (const chunk of chunks) {
    reader.append(chunk);
    for (let packet = reader.next(); packet !== undefined; packet = reader.next()) packets.push(packet);
  }
  return packets;
}

/** What MQTT.js's own parser makes of it; an error is an Error. */
function reference(protocolVersion: 4 | 5, bytes: Buffer): (Packet | Error)[] {
  const parser = mqttPacket.parser({ protocolVersion });
  const seen: (Packet | Error)[] = [];
  parser.on('packet', (packet: Packet) => seen.push(packet));
  parser.on('error', (error: unknown) => seen.push(error as Error));
  parser.parse(bytes);
  return seen;
}

const generate = (packet: unknown, protocolVersion: 4 | 5): Buffer =>
  mqttPacket.generate(packet as Packet, { protocolVersion });

const frameOf = (packet: IPublishPacket): PublishFrame => {
  const ids = packet.properties?.subscriptionIdentifier;
  return {
    topic: packet.topic,
    payload: Buffer.from(packet.payload),
    qos: packet.qos,
    retain: packet.retain,
    dup: packet.dup,
    packetId: packet.messageId ?? 0,
    contentType: packet.properties?.contentType,
    subscriptionIds: typeof ids === 'number' ? [ids] : ids,
  };
};

const topic = fc.oneof(
  fc.constantFrom('plant/1/temperature', 'plant/2/temperature', 'büro/1', '温室/1'),
  fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' }).filter((text) => text.length > 0),
  fc.string({ minLength: 250, maxLength: 300 }),
);
const payload = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
const base = {
  cmd: fc.constant('publish'),
  topic,
  payload,
  retain: fc.boolean(),
};
const level = fc.oneof(
  fc.record({ qos: fc.constant(0), dup: fc.constant(false) }),
  fc.record({
    qos: fc.constantFrom(1, 2),
    dup: fc.boolean(),
    messageId: fc.integer({ min: 1, max: 65_535 }),
  }),
);
const text = fc.string({ maxLength: 20, unit: 'grapheme' });
const properties = fc.record(
  {
    payloadFormatIndicator: fc.boolean(),
    messageExpiryInterval: fc.nat(2 ** 31),
    contentType: fc.string({ minLength: 1, maxLength: 20 }),
    responseTopic: fc.string({ minLength: 1, maxLength: 20 }),
    correlationData: payload,
    subscriptionIdentifier: fc.oneof(
      fc.integer({ min: 1, max: 268_435_455 }),
      fc.array(fc.integer({ min: 1, max: 268_435_455 }), { minLength: 2, maxLength: 3 }),
    ),
    userProperties: fc.dictionary(fc.string({ minLength: 1, maxLength: 9 }), text, { maxKeys: 3 }),
  },
  { requiredKeys: [] },
);
const publish4 = fc.tuple(fc.record(base), level).map(([packet, qos]) => generate({ ...packet, ...qos }, 4));
const publish5 = fc
  .tuple(fc.record(base), level, properties)
  .map(([packet, qos, given]) => generate({ ...packet, ...qos, properties: given }, 5))
  // Nothing: MQTT.js refuses to write it.
  .filter(({ length }) => length > 0);
/** PINGRESP, PUBACK, PUBREL, SUBACK of three filters, CONNACK without properties. */
const others: readonly Buffer[] = ['d000', '40020007', '62020009', '90050003000180', '20020000'].map((hex) =>
  Buffer.from(hex, 'hex'),
);

const cases = [
  ['3.1.1', V4, publish4],
  ['5.0', V5, publish5],
] as const;

describe.each(cases)('MQTT %s', (_name, settings, publish) => {
  const { protocolVersion } = settings;
  const other = fc.constantFrom<Buffer>(...others);
  const flow = fc.array(fc.oneof({ arbitrary: publish, weight: 3 }, other), { minLength: 1, maxLength: 12 });

  test('messages are what the parser of MQTT.js makes of them, and other packets stay bytes', () =>
    fc.assert(
      fc.property(flow, (packets) => {
        const expected = packets.map((bytes) => {
          const [packet] = others.includes(bytes) ? [] : reference(protocolVersion, bytes);
          return packet !== undefined && 'cmd' in packet && packet.cmd === 'publish'
            ? frameOf(packet)
            : bytes;
        });
        expect(read(settings, [Buffer.concat(packets)])).toEqual(expected);
      }),
    ));

  test('chunks of any size give the same', () =>
    fc.assert(
      fc.property(flow, fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1 }), (packets, sizes) => {
        const bytes = Buffer.concat(packets);
        const chunks: Buffer[] = [];
        for (let at = 0, n = 0; at < bytes.length; n++) {
          const size = sizes[n % sizes.length] as number;
          chunks.push(bytes.subarray(at, at + size));
          at += size;
        }
        const whole = read(settings, [bytes]);
        expect(read(settings, chunks)).toEqual(whole);
        expect(
          read(
            settings,
            [...bytes].map((byte) => Buffer.of(byte)),
          ),
        ).toEqual(whole);
      }),
    ));

  test('of changed bytes the same is read as by the parser of MQTT.js, or they are refused', () =>
    fc.assert(
      fc.property(publish, fc.nat(), fc.integer({ min: 0, max: 255 }), (valid, place, byte) => {
        const bytes = Buffer.from(valid);
        bytes[place % bytes.length] = byte;
        let packets: (PublishFrame | Buffer)[];
        try {
          packets = read(settings, [bytes]);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedPacket);
          return;
        }
        const [first] = packets;
        if (first === undefined || Buffer.isBuffer(first)) return;
        const [expected] = reference(protocolVersion, bytes);
        expect(expected).not.toBeInstanceOf(Error);
        expect(first).toEqual(frameOf(expected as IPublishPacket));
      }),
      { numRuns: rounds(150, 500) },
    ));
});

describe('what is no packet is refused', () => {
  const message = Buffer.from('300500036162637a', 'hex').subarray(0, 7);
  test.each([
    ['both bits of QoS', V4, '3605000161000178', /both QoS bits/],
    ['a topic longer than the packet', V4, '300400096162', /Cannot parse topic/],
    ['no topic at all', V4, '300100', /Cannot parse topic/],
    ['QoS 1 without packet id', V4, '3203000161', /Cannot parse messageId/],
    ['packet id 0', V4, '32050001610000', /Cannot parse messageId/],
    ['a length of five bytes', V4, '30ffffffff01', /variable byte integer/],
    ['properties longer than the packet', V5, '300500016105ff', /Cannot parse properties/],
    ['a text longer than its properties', V5, '3009000161050300ff6162', /Cannot parse properties/],
    ['an unknown property', V5, '30060001610211ff', /Unknown property/],
    ['a topic alias that CONNECT did not allow', V5, '3007000161032300017a', /[Tt]opic [Aa]lias/],
    ['no length of the properties', V5, '3003000161', /Cannot parse properties/],
  ])('%s', (_name, settings, hex, problem) => {
    expect(() => read(settings, [Buffer.from(hex, 'hex')])).toThrow(MalformedPacket);
    expect(() => read(settings, [Buffer.from(hex, 'hex')])).toThrow(problem);
  });

  test('a packet that is larger than CONNECT announced, before it is there', () => {
    const settings: FrameSettings = { protocolVersion: 5, maximumPacketSize: 1000 };
    const large = generate({ cmd: 'publish', topic: 'a', payload: Buffer.alloc(2000), qos: 0 }, 5);
    expect(() => read(settings, [large.subarray(0, 10)])).toThrow(/maximumPacketSize is 1000/);
    expect(read(V5, [large])).toHaveLength(1);
  });

  test('what comes before it is read', () => {
    const reader = new FrameReader(V4);
    reader.append(Buffer.concat([message, Buffer.from('36020000', 'hex')]));
    expect(reader.next()).toMatchObject({ topic: 'abc' });
    expect(() => reader.next()).toThrow(MalformedPacket);
  });
});

test('a message of many chunks is joined once, and the chunks of one that has not begun are not', () => {
  const large = generate({ cmd: 'publish', topic: 'a/b', payload: Buffer.alloc(3_000_000, 7), qos: 0 }, 4);
  const next = generate({ cmd: 'publish', topic: 'a/c', payload: Buffer.from('1'), qos: 0 }, 4);
  const bytes = Buffer.concat([large, next]);
  const chunks = Array.from({ length: Math.ceil(bytes.length / 65_536) }, (_, n) =>
    bytes.subarray(n * 65_536, (n + 1) * 65_536),
  );
  const joined = jest.spyOn(Buffer, 'concat');
  try {
    expect(read(V4, chunks)).toMatchObject([{ topic: 'a/b' }, { topic: 'a/c' }]);
    expect(joined.mock.calls.length).toBeLessThanOrEqual(2);
  } finally {
    joined.mockRestore();
  }
});

test('a topic is the same text each time, whatever other topics have come between', () => {
  const topics = Array.from({ length: 40_000 }, (_, n) => `site/${n % 7}/sensor-${n}/state`);
  const flow = Buffer.concat(
    [...topics, ...topics].map((name) => generate({ cmd: 'publish', topic: name, payload: '1', qos: 0 }, 4)),
  );
  const names = read(V4, [flow]).map((packet) => (Buffer.isBuffer(packet) ? '' : packet.topic));
  expect(names).toEqual([...topics, ...topics]);
});
