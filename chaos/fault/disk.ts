import { pause } from '../../test/support/eventually.ts';
import { type Fault, NotInjected } from './fault.ts';

/** Longer than the daemon's `spool.after`: batches go to the spool by then. */
const SPOOLING_MS = 2000;

/** A full disk under the spool, while the spool is needed. */
export const DISK_FAULTS: readonly Fault[] = [
  {
    kind: 'spool-full',
    target: 'databaseLink',
    holdMs: [1000, 5000],
    inject: async ({ databaseLink, spoolDisk, signal }, { holdMs, variant }) => {
      if (spoolDisk === undefined)
        throw new NotInjected('mounting a disk for the spool takes root, or namespaces of users');
      databaseLink.refuse();
      databaseLink.cut();
      await pause(SPOOLING_MS, signal);
      await spoolDisk.fill();
      try {
        await pause(holdMs, signal);
        // The database comes back first, and the spool has to drain on a full disk; or room comes first.
        if (variant) {
          databaseLink.resume();
          await pause(holdMs, signal);
        }
      } finally {
        await spoolDisk.clear();
      }
      return `no database, and not a byte of room for ${holdMs} ms; ${variant ? 'the database' : 'room'} came back first`;
    },
  },
];
