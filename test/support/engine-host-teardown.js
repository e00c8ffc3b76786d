import { once } from 'node:events';

/** Ends the process of engine-host-setup.js, which removes its folder. */
export default async function stop() {
  const host = globalThis.engineHost;
  if (host === undefined || host.exitCode !== null || host.signalCode !== null) return;
  const ended = once(host, 'exit');
  host.disconnect();
  await ended;
}
