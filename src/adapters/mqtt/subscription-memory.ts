import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { writeAtomically } from '../../lib/durable-files.ts';
import { makeFolder } from '../../lib/make-folder.ts';

/**
 * The topic filters that the broker's persistent session may hold. MQTT cannot query them, and a filter that left the
 * configuration while the daemon was down would otherwise go on delivering for ever.
 */
export interface SubscriptionMemory {
  load(): Promise<readonly string[]>;
  save(filters: readonly string[]): Promise<void>;
}

/**
 * Keeps the filters in a JSON file. One session has one file: the path should carry the client id.
 * A missing or damaged file reads as empty: then leftovers stay subscribed and their messages count as `no_match`.
 */
export function createFileSubscriptionMemory(path: string): SubscriptionMemory {
  return {
    async load() {
      try {
        return decode(await readFile(path, 'utf8'));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
        throw error;
      }
    },
    async save(filters) {
      makeFolder(dirname(path), 0o700);
      await writeAtomically(path, `${JSON.stringify({ version: 1, filters })}\n`);
    },
  };
}

function decode(text: string): readonly string[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return [];
  }
  const filters = (value as { filters?: unknown } | null)?.filters;
  return Array.isArray(filters) ? filters.filter((item): item is string => typeof item === 'string') : [];
}
