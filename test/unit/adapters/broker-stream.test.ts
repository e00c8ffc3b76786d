import { Duplex } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { BrokerStream, type GateMode, type PublishFrame } from '../../../src/adapters/mqtt/broker-stream.ts';

const PINGRESP = Buffer.from('d000', 'hex');
const PUBACK = Buffer.from('40020007', 'hex');
const DISCONNECT = Buffer.from('e0018e', 'hex');

/** A QoS 0 message without properties, of MQTT 3.1.1. */
function message(topic: string, bytes = 1): Buffer {
  const length = 2 + topic.length + bytes;
  const digits: number[] = [];
  for (let rest = length; ; rest = Math.floor(rest / 128)) {
    digits.push((rest % 128) | (rest >= 128 ? 128 : 0));
    if (rest < 128) break;
  }
  const head = Buffer.from([0x30, ...digits, topic.length >> 8, topic.length & 0xff]);
  return Buffer.concat([head, Buffer.from(topic), Buffer.alloc(bytes)]);
}

/** The far end of a connection: what is sent to it, and what it sends. */
class Socket extends Duplex {
  readonly written: Buffer[] = [];
  override _read(): void {}
  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.written.push(chunk);
    done();
  }
}

function connected(mode: GateMode = 'open') {
  const socket = new Socket();
  const topics: string[] = [];
  const seen = { pingresps: 0, problem: '' };
  let onPublish = (_frame: PublishFrame): void => undefined;
  const stream = new BrokerStream(socket, { protocolVersion: 4, maximumPacketSize: undefined }, mode, {
    onPublish: (frame) => {
      topics.push(frame.topic);
      onPublish(frame);
    },
    onPingresp: () => void seen.pingresps++,
    onMalformed: (problem) => void (seen.problem = problem),
  });
  const passed: Buffer[] = [];
  stream.on('data', (bytes: Buffer) => passed.push(bytes));
  const then = (run: typeof onPublish) => (onPublish = run);
  return { socket, stream, topics, seen, passed, then };
}

test('messages are handed over, answers to pings counted, and other packets go on in their order', async () => {
  const { socket, topics, seen, passed, stream } = connected();
  const flow = [PUBACK, message('a'), PINGRESP, message('b'), DISCONNECT];
  socket.push(Buffer.concat(flow));
  await nextTurn();
  expect(topics).toEqual(['a', 'b']);
  expect(seen.pingresps).toBe(1);
  expect(Buffer.concat(passed)).toEqual(Buffer.concat([PUBACK, DISCONNECT]));
  expect(stream.received).toBe(Buffer.concat(flow).length);
});

/** The number of messages of so many bytes that are handed over in one event loop iteration. */
async function inOneTurn(bytes: number): Promise<number> {
  const { socket, topics } = connected();
  const chunk = Buffer.concat(Array.from({ length: 600 }, () => message('a', bytes)));
  await new Promise<void>((resolve) => {
    socket.once('data', () => resolve());
    socket.push(chunk);
  });
  const first = topics.length;
  while (topics.length < 600) await nextTurn();
  return first;
}

test('statement 6: the event loop runs after each large message, and after many small ones', async () => {
  expect(await inOneTurn(100)).toBe(256);
  expect(await inOneTurn(10_000)).toBe(7);
  expect(await inOneTurn(330_000)).toBe(1);
});

test('while messages of a turn are left the socket is not read', async () => {
  const { socket, topics } = connected();
  socket.push(Buffer.concat(Array.from({ length: 300 }, () => message('a'))));
  await new Promise((resolve) => process.nextTick(resolve));
  expect(topics).toHaveLength(256);
  expect(socket.isPaused()).toBe(true);
  await nextTurn();
  await nextTurn();
  expect(topics).toHaveLength(300);
  expect(socket.isPaused()).toBe(false);
});

describe('a gate', () => {
  test('that is paused by a message stops at the next one, and goes on where it stopped', async () => {
    const { socket, stream, topics, seen, then } = connected();
    then(({ topic }) => topic === 'b' && stream.setMode('paused'));
    socket.push(Buffer.concat([message('a'), message('b'), PINGRESP, message('c'), PINGRESP, message('d')]));
    await nextTurn();
    expect(topics).toEqual(['a', 'b']);
    expect(seen.pingresps).toBe(1);
    expect(socket.isPaused()).toBe(true);
    stream.setMode('open');
    expect(topics).toEqual(['a', 'b', 'c', 'd']);
    await nextTurn();
    expect(seen.pingresps).toBe(2);
    expect(socket.isPaused()).toBe(false);
  });

  test('that is paused from the start lets CONNACK and other answers through', async () => {
    const { socket, stream, topics, passed } = connected('paused');
    socket.push(Buffer.concat([Buffer.from('20020000', 'hex'), message('a'), PUBACK]));
    await nextTurn();
    expect(topics).toEqual([]);
    expect(Buffer.concat(passed).toString('hex')).toBe('20020000');
    stream.setMode('discarding');
    await nextTurn();
    expect(topics).toEqual([]);
    expect(Buffer.concat(passed).toString('hex')).toBe('2002000040020007');
  });

  test('that discards reads on for answers', async () => {
    const { socket, topics, seen, passed } = connected('discarding');
    socket.push(Buffer.concat([message('a'), PINGRESP, PUBACK]));
    await nextTurn();
    expect(topics).toEqual([]);
    expect(seen.pingresps).toBe(1);
    expect(passed).toEqual([PUBACK]);
  });

  test('that is paused and opened within one message hands each over once', async () => {
    const { socket, stream, topics, then } = connected();
    then(() => {
      stream.setMode('paused');
      stream.setMode('open');
    });
    socket.push(Buffer.concat([message('a'), message('b'), message('c')]));
    await nextTurn();
    expect(topics).toEqual(['a', 'b', 'c']);
  });
});

test('what is no packet ends the connection, with its reason and what came before it', async () => {
  const { socket, stream, topics, seen } = connected();
  const closed = new Promise((resolve) => stream.once('close', resolve));
  socket.push(Buffer.concat([message('a'), Buffer.from('3602000061', 'hex')]));
  await closed;
  expect(topics).toEqual(['a']);
  expect(seen.problem).toMatch(/QoS/);
  expect(socket.destroyed).toBe(true);
});

test('the reason that a broker gives before it closes is passed on', async () => {
  const { socket, stream, passed } = connected();
  const closed = new Promise((resolve) => stream.once('close', resolve));
  socket.push(DISCONNECT);
  socket.push(null);
  socket.end();
  await closed;
  expect(passed).toEqual([DISCONNECT]);
});

test('an error of the socket is one of the stream, and ends it', async () => {
  const { socket, stream } = connected();
  const failed = new Promise<Error>((resolve) => stream.once('error', resolve));
  socket.destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }));
  expect(await failed).toMatchObject({ code: 'ECONNRESET' });
  expect(stream.destroyed).toBe(true);
});

test('packets of MQTT.js, acknowledgements and pings keep their order', async () => {
  const { socket, stream } = connected();
  stream.cork();
  stream.write(Buffer.from('82', 'hex'));
  stream.write(Buffer.from('00', 'hex'));
  stream.write(PUBACK);
  stream.ping();
  process.nextTick(() => stream.uncork());
  await nextTurn();
  expect(Buffer.concat(socket.written).toString('hex')).toBe('820040020007c000');
  const finished = new Promise((resolve) => socket.once('finish', resolve));
  stream.end(Buffer.from('e000', 'hex'));
  await finished;
  expect(Buffer.concat(socket.written).toString('hex')).toBe('820040020007c000e000');
});
