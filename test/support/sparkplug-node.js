// A Sparkplug B edge node with one device, by the package sparkplug-client: node sparkplug-node.js URL
// Reads a temperature per line, publishes it by alias, and prints each action on standard output.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const require = createRequire(import.meta.url);
const sparkplug = require('sparkplug-client');

const TEMPERATURE = { alias: 10, type: 'Float' };
const CYCLES = { alias: 11, type: 'Int32' };
const say = (what) => process.stdout.write(`${what}\n`);
let cycles = -3;
let lastMs = 0;

/** Two values of one metric at one time would be a conflict: what follows within a millisecond is a millisecond later. */
const now = () => (lastMs = Math.max(Date.now(), lastMs + 1));

const client = sparkplug.newClient({
  serverUrl: process.argv[2],
  username: '',
  password: '',
  groupId: 'Plant1',
  edgeNode: 'Edge1',
  clientId: `edge-${process.pid}`,
  publishDeath: true,
});

function births() {
  const timestamp = now();
  client.publishNodeBirth({
    timestamp,
    metrics: [
      { name: 'Node Control/Rebirth', type: 'Boolean', value: false, timestamp },
      { name: 'Supply Voltage', alias: 1, type: 'Float', value: 12.1, timestamp },
    ],
  });
  client.publishDeviceBirth('Press', {
    timestamp,
    metrics: [
      { name: 'Temperature', ...TEMPERATURE, value: 61.5, timestamp },
      { name: 'Cycles', ...CYCLES, value: cycles, timestamp },
    ],
  });
  say('births');
}

client.on('birth', births);
client.on('ncmd', ({ metrics = [] }) => {
  if (!metrics.some(({ name, value }) => name === 'Node Control/Rebirth' && value === true)) return;
  say('asked for births');
  births();
});
client.on('error', (error) => say(`error ${error.message}`));

createInterface({ input: process.stdin }).on('line', (line) => {
  const timestamp = now();
  cycles++;
  client.publishDeviceData('Press', {
    timestamp,
    metrics: [
      { ...TEMPERATURE, value: Number(line), timestamp },
      { ...CYCLES, value: cycles, timestamp },
    ],
  });
  say(`data ${line}`);
});
