import { createSystemClock } from '../adapters/system/clock.ts';
import { messageOf } from '../core/errors.ts';
import { Outage } from '../lib/outage.ts';
import { sleep } from '../lib/sleep.ts';
import type { Cli } from './command.ts';

const POLL_MS = 1000;

export interface DatabasePoll {
  readonly poll: () => Promise<void>;
  readonly signal: AbortSignal;
  /** Where trouble is shown; else standard error has a line when it begins and when it ends. */
  readonly onTrouble?: ((text: string) => void) | undefined;
}

/** Polls once a second until `signal`, also while the database is away. */
export async function pollDatabase(cli: Cli, { poll, signal, onTrouble }: DatabasePoll): Promise<void> {
  const clock = createSystemClock();
  const outage = new Outage(clock);
  const write = (text: string) => void cli.stderr.write(`fieldwatch: ${text}\n`);
  while (!signal.aborted) {
    try {
      await poll();
      if (outage.recovered() !== undefined && onTrouble === undefined) write('the database is back');
    } catch (error) {
      const isNews = outage.failed(error);
      const text = `the database is away, trying again: ${messageOf(error)}`;
      if (onTrouble !== undefined) onTrouble(text);
      else if (isNews) write(text);
    }
    await sleep(clock, POLL_MS, signal);
  }
}
