import { becomes, pause } from '../../test/support/eventually.ts';
import type { Look } from './jobs.ts';
import { type SoakDeps, setStage } from './stage.ts';
import { type Line, comparison } from './verdict.ts';

const QUARTERS = 4;
const POLL_EVERY_MS = 1000;
const SETTLE_MS = 60_000;
const MB = 1024 ** 2;
/** Below these, differences are the machine's. */
const FLOOR = { rssMb: 10, delayMs: 5 };

interface Quarter {
  rssBytes: number;
  last: Look;
}

/** A load that stays the same: nothing may grow. */
export async function soakSteady(deps: SoakDeps): Promise<readonly Line[]> {
  const { options, progress, signal } = deps;
  const { seconds, rate, tolerance } = options;
  const stage = await setStage(deps);
  const warmUp = Math.min(30, Math.ceil(seconds / 4));
  progress(`warming up for ${warmUp} s, then ${seconds} s at ${rate} messages/s`);
  const warm = await stage.publish(warmUp);
  const quarters: Quarter[] = [];
  const publishing = stage.publish(seconds);
  const startedMs = performance.now();
  for (;;) {
    const phase = 1 + Math.floor(((performance.now() - startedMs) * QUARTERS) / (seconds * 1000));
    if (phase > QUARTERS || signal.aborted) break;
    const look = await stage.look(phase);
    const { rssBytes } = look;
    const before = quarters[phase - 1];
    if (before === undefined) progress(`quarter ${phase} of ${QUARTERS}`);
    quarters[phase - 1] = { last: look, rssBytes: Math.max(rssBytes, before?.rssBytes ?? 0) };
    await pause(POLL_EVERY_MS, signal);
  }
  const { messages, maxLateMs } = await publishing;
  const sent = messages + warm.messages;
  await becomes(async () => (await stage.stored()) >= sent, { withinMs: SETTLE_MS, everyMs: 200, signal });
  const missing = sent - (await stage.stored());
  const { disconnects } = await stage.look(QUARTERS + 1);
  await stage.stopDaemon();
  const pair = (of: (quarter: Quarter) => number): [number, number] => [
    of(quarters[0] as Quarter),
    of(quarters[QUARTERS - 1] as Quarter),
  ];
  const limits = { tolerance, floor: FLOOR.delayMs };
  return [
    ...comparison('memory (RSS, most)', 'MB', pair(({ rssBytes }) => rssBytes / MB), { tolerance, floor: FLOOR.rssMb }), // prettier-ignore
    ...comparison(
      'event-loop delay p99',
      'ms',
      pair(({ last }) => last.loopDelayP99Ms),
      limits,
    ),
    ...comparison(
      'publish to commit p99',
      'ms',
      pair(({ last }) => last.latencyP99Ms),
      limits,
    ),
    { what: 'publisher behind its schedule, most', value: maxLateMs, unit: 'ms' },
    { what: 'messages sent', value: sent, unit: '' },
    { what: 'messages not stored', value: missing, unit: '', limit: 0 },
    { what: 'connections to the broker lost', value: disconnects, unit: '', limit: 0 },
  ];
}
