// One database of engine-host.js. Its clock can be moved: the engine calls Date.now, which each thread has for itself.
import { parentPort, workerData } from 'node:worker_threads';
import { openServer } from '../../dist/embedded/open-server.js';

const trueNow = Date.now;
let aheadMs = 0;
Date.now = () => trueNow() + aheadMs;

const server = await openServer({ dataDir: workerData, host: '127.0.0.1', port: 0 }, (fault) => {
  queueMicrotask(() => {
    throw fault;
  });
});
parentPort.on('message', (asked) => {
  if (asked.aheadMs === undefined) server.close();
  else aheadMs = asked.aheadMs;
  // The thread stays after that, for its code.
  parentPort.postMessage(asked);
});
parentPort.postMessage({ port: server.port });
