import type { Direction, TcpProxy } from '../../test/support/tcp-proxy.ts';
import { becomes, pause } from '../../test/support/eventually.ts';
import { type Fault, NotInjected, type Stage } from './fault.ts';

type Link = 'brokerLink' | 'databaseLink';

/** CommandComplete of a COMMIT: type, length, tag. */
const COMMIT_REPLY = Buffer.from('C\0\0\0\x0bCOMMIT\0', 'latin1');
const PUBACK = 0x40;
/** A daemon that is starting, or a database that recovers, has nothing to break for a while. */
const SEEN_MS = 20_000;

/** Broken, stalled and refused links, and replies that get lost on them. */
export const LINK_FAULTS: readonly Fault[] = [
  ...broken('broker', 'brokerLink'),
  ...broken('database', 'databaseLink'),
  {
    kind: 'commit-reply',
    target: 'databaseLink',
    holdMs: [100, 1000],
    inject: async (stage, { holdMs, variant }) => {
      await swallowFrom(stage, 'databaseLink', 'down', (chunk) => chunk.includes(COMMIT_REPLY));
      await pause(holdMs, stage.signal);
      // Either the link breaks, or nothing more ever comes and the daemon must give it up by itself.
      if (variant) return silent(stage);
      stage.databaseLink.cut();
      return `reply to COMMIT lost, reset after ${holdMs} ms`;
    },
  },
  {
    kind: 'puback-lost',
    target: 'brokerLink',
    holdMs: [100, 1500],
    inject: async (stage, { holdMs }) => {
      await swallowFrom(stage, 'brokerLink', 'up', (chunk) => chunk[0] === PUBACK);
      await pause(holdMs, stage.signal);
      // Packets are missing in the middle of the stream: the connection cannot go on.
      stage.brokerLink.cut();
      return `PUBACKs lost for ${holdMs} ms, then reset`;
    },
  },
];

function broken(name: string, link: Link): readonly Fault[] {
  return [
    {
      kind: `${name}-cut`,
      target: link,
      holdMs: [0, 0],
      inject: async (stage) => {
        if (!(await becomes(() => stage[link].openLinks > 0, { withinMs: SEEN_MS, signal: stage.signal }))) {
          throw new NotInjected('no connection to cut');
        }
        const links = stage[link].openLinks;
        stage[link].cut();
        return `${links} connection(s) reset`;
      },
    },
    {
      kind: `${name}-stall`,
      target: link,
      holdMs: [500, 8000],
      inject: async (stage, { holdMs, variant }) => {
        if (variant) stage[link].stall('down');
        else stage[link].stall();
        await pause(holdMs, stage.signal);
        return `${variant ? 'replies' : 'both ways'} for ${holdMs} ms`;
      },
    },
    {
      kind: `${name}-refuse`,
      target: link,
      holdMs: [500, 8000],
      inject: async (stage, { holdMs }) => {
        const proxy = stage[link];
        const before = proxy.refused;
        proxy.refuse();
        proxy.cut();
        await pause(holdMs, stage.signal);
        return `for ${holdMs} ms, ${proxy.refused - before} refused`;
      },
    },
  ];
}

/** From the first chunk that matches on, nothing comes through in this direction. */
async function swallowFrom(
  stage: Stage,
  link: Link,
  direction: Direction,
  matches: (chunk: Buffer) => boolean,
): Promise<void> {
  const proxy: TcpProxy = stage[link];
  let seen = false;
  proxy.swallow((chunk, way) => {
    if (way !== direction) return false;
    seen ||= matches(chunk);
    return seen;
  });
  if (await becomes(() => seen, { withinMs: SEEN_MS, signal: stage.signal })) return;
  throw new NotInjected('nothing passed to swallow');
}

async function silent({ databaseLink, signal }: Stage): Promise<string> {
  const began = performance.now();
  const open = databaseLink.openLinks;
  // The daemon's patience is its statement timeout and a few seconds.
  await becomes(() => databaseLink.openLinks < open, { withinMs: SEEN_MS, signal });
  return `reply to COMMIT lost, given up by the daemon after ${Math.round(performance.now() - began)} ms`;
}
