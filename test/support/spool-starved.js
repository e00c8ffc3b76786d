// Opens a spool with ever more file descriptors left, and prints the result: the code of the error, or the items found and
// lost. To be run under `ulimit -n`.
import { closeSync, openSync } from 'node:fs';
import { openSpool } from '../../dist/adapters/spool/level-spool.js';

const [folder, most] = process.argv.slice(2);
const logger = { debug() {}, info() {}, warn() {}, error() {} };
const clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };
const options = { folder, maxBytes: 1024 ** 3, maxAgeMs: 86_400_000 };

async function attempt() {
  try {
    const spool = await openSpool(options, { clock, logger });
    const { lanes, lostItems } = spool.contents;
    await spool.close();
    return `${lanes.readings.items}+${lostItems}`;
  } catch (error) {
    return error.code;
  }
}

function takeAll() {
  const taken = [];
  try {
    for (;;) taken.push(openSync('/dev/null'));
  } catch {
    return taken;
  }
}

// Whatever is loaded when it is first needed is there before the descriptors are gone.
await import('classic-level');
for (let left = 0; left <= Number(most); left++) {
  const taken = takeAll();
  for (const fd of taken.splice(0, left)) closeSync(fd);
  const said = await attempt();
  for (const fd of taken) closeSync(fd);
  process.stdout.write(`${left} ${said}\n`);
}
