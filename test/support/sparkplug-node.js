// A Sparkplug B edge node with one device: node sparkplug-node.js URL
// Its payloads are those that the package sparkplug-client sent (test/fixtures/sparkplug-client.json), with the time, the sequence
// number and the values of now. Reads a temperature per line, publishes it by alias, and prints each action on standard output.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import mqtt from 'mqtt';

const { frames } = JSON.parse(
  readFileSync(new URL('../fixtures/sparkplug-client.json', import.meta.url), 'utf8'),
);
/** Times and values that were recorded: each takes as many bytes as what replaces it. */
const RECORDED = {
  times: [1_767_225_600_000, 1_767_225_600_001],
  temperatures: [61.5, 62.25],
  cycles: [-3, -2],
};
const REBIRTH = Buffer.from('Node Control/Rebirth');
const say = (what) => process.stdout.write(`${what}\n`);

function varint(value) {
  const bytes = [];
  let rest = BigInt(value);
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return Buffer.from([...bytes, Number(rest)]);
}
const float = (value) => {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
};
/** int_value of a metric: a negative number as its 32 bits. */
const int = (value) => varint(value >>> 0);

function payload(name, { timeMs, temperature, cycles, seq }) {
  let hex = frames[name].hex;
  const replace = (before, after) => {
    if (before.length !== after.length) throw new Error(`${name}: a value of another length`);
    hex = hex.replaceAll(before.toString('hex'), after.toString('hex'));
  };
  for (const recorded of RECORDED.times) replace(varint(recorded), varint(timeMs));
  for (const recorded of RECORDED.temperatures) replace(float(recorded), float(temperature));
  for (const recorded of RECORDED.cycles) replace(int(recorded), int(cycles));
  const bytes = Buffer.from(hex, 'hex');
  // The sequence number is the last field of each, below 128 in one byte.
  bytes[bytes.length - 1] = seq;
  return bytes;
}

let [temperature, cycles, seq, lastMs] = [61.5, -30, 0, 0];
/** Two values of one metric at one time would be a conflict: what follows within a millisecond is a millisecond later. */
const now = () => (lastMs = Math.max(Date.now(), lastMs + 1));

const client = mqtt.connect(process.argv[2], {
  clientId: `edge-${process.pid}`,
  will: { topic: frames.NDEATH.topic, payload: Buffer.from(frames.NDEATH.hex, 'hex'), qos: 0, retain: false },
});
const publish = (name, timeMs) =>
  client.publish(frames[name].topic, payload(name, { timeMs, temperature, cycles, seq: seq++ }));

function births() {
  seq = 0;
  const timeMs = now();
  publish('NBIRTH', timeMs);
  publish('DBIRTH', timeMs);
  say('births');
}

client.on('connect', () => client.subscribe('spBv1.0/Plant1/NCMD/Edge1/#', { qos: 0 }, births));
client.on('message', (_topic, command) => {
  if (!command.includes(REBIRTH)) return;
  say('asked for births');
  births();
});
client.on('error', (error) => say(`error ${error.message}`));

createInterface({ input: process.stdin }).on('line', (line) => {
  temperature = Number(line);
  cycles++;
  publish('DDATA', now());
  say(`data ${line}`);
});
