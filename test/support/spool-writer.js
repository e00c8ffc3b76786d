// Appends numbered records to a spool and prints each number once it is safe, until it is killed. With sizes of payloads,
// such as 3000,6000000,3000, it appends one record of each and prints the code of an error instead of the number.
import { randomBytes } from 'node:crypto';
import { openSpool } from '../../dist/adapters/spool/level-spool.js';

const [folder, list] = process.argv.slice(2);
const sizes = list?.split(',').map(Number);
const logger = { debug() {}, info() {}, warn() {}, error() {} };
const clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };
const spool = await openSpool({ folder, maxBytes: 1024 ** 3, maxAgeMs: 86_400_000 }, { clock, logger });
const alerts = { states: [], raised: [], resolved: [], notifications: [] };

const append = (number, bytes) => {
  const message = { topic: 't', payload: randomBytes(bytes), receivedAtMs: 1 };
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
  const record = { lane: 'readings', id: String(number), readings: [reading], deadLetters: [], alerts };
  return spool.append([record]);
};

for (let number = 0; number < (sizes?.length ?? Infinity); number++) {
  try {
    await append(number, sizes?.[number] ?? 3000);
    process.stdout.write(`${number}\n`);
  } catch (error) {
    if (sizes === undefined) throw error;
    process.stdout.write(`${error.code}\n`);
  }
}
// Not closed: what was confirmed is there, whatever comes then.
process.exit();
