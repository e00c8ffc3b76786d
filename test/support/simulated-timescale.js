// The embedded server with a clock that its parent moves: node simulated-timescale.js <folder> <host> <port>
// The engine asks Date.now for the time of day. By standard input, because any message of the parent means "stop".
import { createInterface } from 'node:readline';

const trueNow = Date.now;
let aheadMs = 0;
Date.now = () => trueNow() + aheadMs;
createInterface({ input: process.stdin }).on('line', (line) => {
  aheadMs = Number(line);
  process.send({ type: 'moved' });
});
process.stdin.unref();
await import('../../dist/embedded/timescale-server.js');
