import { FieldwatchError } from '../../../core/errors.ts';
import type { ReadingStore } from '../../../ports/store.ts';

/** The role, the database or the server accepts no further connection. */
const TOO_MANY_CONNECTIONS = '53300';

/** Commits over the connection of `other`, alternating with it, where the server has none left for `own`. */
export function sharingConnection(own: ReadingStore, other: ReadingStore): ReadingStore {
  return {
    commit: async (...batch) => {
      try {
        return await own.commit(...batch);
      } catch (error) {
        // Refused at connect: nothing was written.
        if (!isOutOfConnections(error)) throw error;
        return other.commit(...batch);
      }
    },
    disconnect: async () => own.disconnect?.(),
    close: () => own.close(),
  };
}

const isOutOfConnections = (error: unknown): boolean =>
  error instanceof FieldwatchError &&
  (error.cause as { readonly code?: unknown } | undefined)?.code === TOO_MANY_CONNECTIONS;
