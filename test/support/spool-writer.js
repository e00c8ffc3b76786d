// Appends numbered records to a spool and says each number once it is safe, until it is killed.
import { openSpool } from '../../dist/adapters/spool/level-spool.js';

const folder = process.argv[2];
const logger = { debug() {}, info() {}, warn() {}, error() {} };
const clock = { nowMs: () => Date.now() };
const spool = await openSpool({ folder, maxBytes: 1024 ** 3, maxAgeMs: 86_400_000 }, { clock, logger });
const alerts = { states: [], raised: [], resolved: [], notifications: [] };
for (let number = 0; ; number++) {
  const message = { topic: 't', payload: Buffer.alloc(3000, number), receivedAtMs: 1 };
  const metrics = new Map([['temperature', number]]);
  const reading = {
    key: 's',
    location: undefined,
    sensorId: 1,
    timeUs: number,
    receivedAtMs: 1,
    metrics,
    message,
  };
  await spool.append([
    { lane: 'readings', id: String(number), readings: [reading], deadLetters: [], alerts },
  ]);
  process.stdout.write(`${number}\n`);
}
