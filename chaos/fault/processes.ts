import { becomes, pause } from '../../test/support/eventually.ts';
import { type Fault, NotInjected, type Stage } from './fault.ts';

const READY_MS = 30_000;

/** SIGKILL and SIGSTOP of daemon and embedded database, restarts of daemon and broker. */
export const PROCESS_FAULTS: readonly Fault[] = [
  {
    kind: 'daemon-kill',
    target: 'daemon',
    holdMs: [0, 0],
    // Now and then in the middle of a start.
    inject: async (stage, { variant }) => {
      const early = variant && !stage.daemon.isReady;
      if (!early) await daemonReady(stage);
      await stage.daemon.end('SIGKILL');
      return early ? 'SIGKILL while starting' : 'SIGKILL';
    },
  },
  {
    kind: 'daemon-stop',
    target: 'daemon',
    holdMs: [500, 5000],
    inject: async (stage, { holdMs }) => {
      await daemonReady(stage);
      stage.daemon.signal('SIGSTOP');
      await pause(holdMs, stage.signal);
      stage.daemon.signal('SIGCONT');
      return `SIGSTOP for ${holdMs} ms`;
    },
  },
  {
    kind: 'daemon-restart',
    target: 'daemon',
    holdMs: [0, 0],
    inject: async (stage) => {
      await daemonReady(stage);
      const began = performance.now();
      await stage.daemon.end('SIGTERM');
      return `SIGTERM, gone after ${Math.round(performance.now() - began)} ms`;
    },
  },
  {
    kind: 'cold-start',
    target: 'databaseLink',
    holdMs: [500, 5000],
    inject: async ({ daemon, databaseLink, signal }, { holdMs, variant }) => {
      databaseLink.refuse();
      databaseLink.cut();
      const end = variant ? 'SIGKILL' : 'SIGTERM';
      const began = performance.now();
      await daemon.end(end);
      if (!(await becomes(() => daemon.isSubscribed, { withinMs: READY_MS, signal })))
        throw new NotInjected('the daemon was not subscribed again: another fault is in its way');
      const tookMs = Math.round(performance.now() - began);
      await pause(holdMs, signal);
      return `${end} without the database, subscribed again after ${tookMs} ms, the database back ${holdMs} ms later`;
    },
  },
  {
    kind: 'database-kill',
    target: 'database',
    needs: 'embedded',
    holdMs: [0, 0],
    inject: async ({ database, signal }) => {
      const { embedded } = database;
      if (embedded === undefined) throw new NotInjected('no process of ours');
      const before = database.restarts();
      const began = performance.now();
      process.kill(embedded.pid, 'SIGKILL');
      const back = await becomes(() => database.restarts() > before, { withinMs: READY_MS, signal });
      return `SIGKILL, ${back ? `back after ${Math.round(performance.now() - began)} ms` : 'still starting'}`;
    },
  },
  {
    kind: 'database-stop',
    target: 'database',
    needs: 'embedded',
    // Now and then longer than the daemon waits for an answer.
    holdMs: [500, 8000],
    inject: async ({ database, signal }, { holdMs }) => {
      const { embedded } = database;
      if (embedded === undefined) throw new NotInjected('no process of ours');
      process.kill(embedded.pid, 'SIGSTOP');
      await pause(holdMs, signal);
      process.kill(embedded.pid, 'SIGCONT');
      return `SIGSTOP for ${holdMs} ms`;
    },
  },
  {
    kind: 'broker-restart',
    target: 'broker',
    holdMs: [0, 3000],
    inject: async ({ broker, signal }, { holdMs }) => {
      await broker.stop();
      await pause(holdMs, signal);
      if (signal.aborted) return 'given up';
      await broker.launch();
      return `SIGTERM, away for ${holdMs} ms`;
    },
  },
];

async function daemonReady({ daemon, signal }: Stage): Promise<void> {
  if (await becomes(() => daemon.isReady, { withinMs: READY_MS, signal })) return;
  throw new NotInjected('the daemon was not up');
}
