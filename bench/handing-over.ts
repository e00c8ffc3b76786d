import pg from 'pg';
import { HANDOVER_CHANNEL, TimescaleHandoverStore } from '../src/adapters/timescale/alert/handover-store.ts';
import { type ShardWrites, writeShards } from '../src/adapters/timescale/alert/lease-writes.ts';
import type { HandoverReading } from '../src/core/alert/cluster/handover-record.ts';
import { SHARDS } from '../src/core/alert/cluster/shard.ts';
import { seededRandom } from '../src/simulator/random.ts';
import type { Figure } from './report.ts';
import { cpuSecondsOf, postmasterOf } from './server-cpu.ts';
import { median } from './stats.ts';

const GROUP = 'bench';
const ALL_SHARDS = Array.from({ length: SHARDS }, (_, shard) => shard);
const SENSORS = 900;
const READINGS = 100_000;
const BATCH = 10_000;
const ROUNDS = 5;
const WARM_UPS = 3;
/** Sender, owner and server together. */
const LIMIT_S = 0.35;

/**
 * (handover) 100,000 readings of three numbers from the member that stored them to the owner of their shards: written in the
 * sender's transaction, read, decoded and deleted in the owner's. CPU of this process, which is both, and of the server.
 */
export async function benchHandingOver(url: string, seed: number): Promise<readonly Figure[]> {
  const [sender, owner, listener] = await Promise.all([connected(url), connected(url), connected(url)]);
  const postmaster = await postmasterOf(url);
  const store = new TimescaleHandoverStore(owner);
  const readings = readingsOf(seededRandom(seed));
  const cpu = () => {
    const { user, system } = process.cpuUsage();
    return { own: (user + system) / 1_000_000, server: cpuSecondsOf(postmaster) };
  };
  const rounds: { readonly own: number; readonly server: number }[] = [];
  try {
    await listener.query(`LISTEN ${HANDOVER_CHANNEL}`);
    for (let round = -WARM_UPS; round < ROUNDS; round++) {
      const before = cpu();
      let arrived = 0;
      for (let at = 0; at < readings.length; at += BATCH) {
        await write(sender, { forwarded: { group: GROUP, readings: readings.slice(at, at + BATCH) } });
        const { rows } = await store.read(GROUP, ALL_SHARDS, 2 * BATCH);
        arrived += rows.reduce((sum, row) => sum + row.readings.length, 0);
        await write(owner, { dequeued: rows.map(({ id }) => id) });
      }
      if (arrived !== READINGS) throw new Error(`(handover) ${arrived} of ${READINGS} readings arrived`);
      const after = cpu();
      if (round >= 0) rounds.push({ own: after.own - before.own, server: after.server - before.server });
    }
  } finally {
    await Promise.all([sender.end(), owner.end(), listener.end()]);
  }
  return [figureOf(rounds)];
}

export function figureOf(rounds: readonly { readonly own: number; readonly server: number }[]): Figure {
  const [own, server] = [median(rounds.map((each) => each.own)), median(rounds.map((each) => each.server))];
  const runs = rounds.map((each) => each.own + each.server);
  const value = median(runs);
  return {
    part: 'handover',
    measure: 'CPU to hand over 100,000 readings',
    unit: 's',
    value,
    runs,
    reference: { what: 'limit', unit: 's', value: LIMIT_S, runs: [LIMIT_S] },
    ratio: LIMIT_S / value,
    target: 1,
    note: `members ${own.toFixed(2)} s, database ${server.toFixed(2)} s`,
  };
}

async function connected(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return client;
}

async function write(client: pg.Client, writes: ShardWrites): Promise<void> {
  await client.query('BEGIN');
  await writeShards(
    {
      query: (text, values) => client.query(text, values),
      script: () => Promise.reject(new Error('not used')),
      copy: () => Promise.reject(new Error('not used')),
    },
    writes,
  );
  await client.query('COMMIT');
}

function readingsOf(random: () => number): HandoverReading[] {
  const startMs = Date.now();
  return Array.from({ length: READINGS }, (_, n) => {
    const receivedAtMs = startMs + Math.floor(n / 100);
    return {
      sensorId: (n % SENSORS) + 1,
      timeUs: receivedAtMs * 1000,
      receivedAtMs,
      metrics: new Map(['temperature', 'humidity', 'battery'].map((metric) => [metric, 100 * random()])),
      ...{ retained: false, spooled: false, located: false },
    };
  });
}
