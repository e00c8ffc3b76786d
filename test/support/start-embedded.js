// A parent for the embedded server that a test can kill: node start-embedded.js <folder>
import { startEmbeddedTimescale } from '../../dist/embedded/timescale-process.js';

const server = await startEmbeddedTimescale({ dataDir: process.argv[2], port: 0 });
process.send({ pid: server.pid, url: server.url });
