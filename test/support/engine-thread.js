// One database of engine-host.js.
import { parentPort, workerData } from 'node:worker_threads';
import { openServer } from '../../dist/embedded/open-server.js';

const server = await openServer({ dataDir: workerData, host: '127.0.0.1', port: 0 }, (fault) => {
  queueMicrotask(() => {
    throw fault;
  });
});
parentPort.on('message', () => {
  server.close();
  parentPort.postMessage('closed');
});
parentPort.postMessage(server.port);
