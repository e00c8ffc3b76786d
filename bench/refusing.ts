import mqtt from 'mqtt';
import pg from 'pg';
import { eventually } from '../test/support/eventually.ts';
import type { BenchBroker } from './broker.ts';
import { Child } from './children.ts';
import { daemonConfigText } from './daemon-config.ts';
import type { FlowDeps } from './flow.ts';
import type { Figure } from './report.ts';
import type { Look, SoakJob, SoakReport } from './soak/jobs.ts';

/** A watchdog, a keepalive and /livez wait behind it. */
const LIMIT_MS = 200;
const EACH = 6;
const RECORDS = 9000;
const START_MS = 60_000;
const STORED_MS = 120_000;
const POLL_EVERY_MS = 200;

/** The worst that one message may be within the default `limits`, and the dead letters that each of them is. */
const WORST = [
  {
    measure: 'loop delay, 9,000 records refused by the server',
    letters: 1,
    values: 0,
    alerts: 0,
    records: (at: number) => Array.from({ length: RECORDS }, (_, n) => ({ ts: at + n, temperature: 2000 })),
  },
  {
    measure: 'loop delay, 9,000 records refused unread',
    letters: 1,
    values: 0,
    alerts: 0,
    records: () => Array.from({ length: RECORDS }, () => ({ ts: 'never', temperature: 20 })),
  },
  {
    measure: 'loop delay, 60,000 values in 250 records',
    letters: 0,
    values: 250 * 240,
    alerts: 0,
    records: (at: number) => recordsOf(at, 250, 240, 1),
  },
  {
    measure: 'loop delay, 40,000 arrays in 40 records',
    letters: 0,
    // As many of each record as `limits.max_metrics`.
    values: 40 * 256,
    alerts: 0,
    records: (at: number) => recordsOf(at, 40, 1000, [0]),
  },
  {
    measure: 'loop delay, 20,000 alerts of one message',
    letters: 0,
    values: 80 * 250,
    alerts: 80 * 250,
    // Devices that no other message is about: each value raises an alert.
    records: (at: number) =>
      recordsOf(at, 80, 250, ALERTING).map((of, n) => ({ ...of, device: `d${at}-${n}` })),
  },
] as const;

/** Above what the rule for every metric allows; the others are below it. */
const ALERTING = 9;
const RULES = { metrics: { '*': { max: 5 } } };

const recordsOf = (at: number, records: number, members: number, member: unknown) =>
  Array.from({ length: records }, (_, n) => ({
    ts: at + n,
    ...Object.fromEntries(Array.from({ length: members }, (_, k) => [`k${k}`, member])),
  }));

/** (j) The longest that the daemon's event loop is kept by six of the worst messages at once, each kind by itself. */
export async function benchRefusing(deps: FlowDeps): Promise<readonly Figure[]> {
  const { broker, databaseUrl, cleanup, progress } = deps;
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  const publisher = await mqtt.connectAsync(broker.url, {
    protocolVersion: 5,
    ...(broker.username === undefined ? {} : { username: broker.username, password: broker.password ?? '' }),
  });
  cleanup.add('refusals publisher', () => publisher.endAsync(true));
  await client.query('ALTER TABLE sensor_readings ADD CONSTRAINT bench_hot CHECK (temperature < 1000)');
  const daemon = new Child<SoakJob, SoakReport>('soak/daemon', cleanup);
  try {
    await daemon.ask({ kind: 'start', config: configOf(deps) }, START_MS);
    const figures: Figure[] = [];
    for (const [index, { measure, letters, values, alerts, records }] of WORST.entries()) {
      progress(`(j) ${measure}`);
      await daemon.ask({ kind: 'look', phase: index + 1 }, START_MS);
      const before = await settledOf(client);
      const expected = {
        letters: before.letters + EACH * letters,
        values: before.values + EACH * values,
        alerts: before.alerts + EACH * alerts,
      };
      const topic = `${broker.topicRoot}${alerts > 0 ? 'alerts' : `bench-${index}/worst`}`;
      for (let n = 0; n < EACH; n++)
        await publisher.publishAsync(topic, JSON.stringify(records(Date.now() - n * 60_000)), { qos: 1 });
      await settled(client, expected);
      const { loopDelayMaxMs } = (await daemon.ask({ kind: 'look', phase: index + 1 }, START_MS)) as Look;
      figures.push(figureOf(measure, loopDelayMaxMs));
    }
    await daemon.ask({ kind: 'stop' }, START_MS);
    return figures;
  } finally {
    await daemon.end();
    await client.query('ALTER TABLE sensor_readings DROP CONSTRAINT bench_hot');
    await client.end();
  }
}

function configOf({ broker, databaseUrl, stateDir }: FlowDeps & { readonly broker: BenchBroker }): string {
  const text = daemonConfigText({ broker, databaseUrl, stateDir, clientId: 'fieldwatch-bench-worst' });
  const decoded = { codec: 'json', extras: true };
  const routes = ['{device}/worst', 'alerts'].map((topic) => ({
    topic: `${broker.topicRoot}${topic}`,
    ...decoded,
  }));
  const { alerts_file: rules, ...rest } = JSON.parse(text) as { readonly alerts_file?: string };
  if (rules === undefined) throw new Error('the rules of the bench are in a file of their own');
  return JSON.stringify({ ...rest, alerts: RULES, routes });
}

const figureOf = (measure: string, value: number): Figure => ({
  part: 'j',
  measure,
  unit: 'ms',
  value,
  runs: [value],
  reference: { what: 'limit', unit: 'ms', value: LIMIT_MS, runs: [LIMIT_MS] },
  ratio: LIMIT_MS / value,
  target: 1,
});

interface Settled {
  readonly letters: number;
  readonly values: number;
  readonly alerts: number;
}

async function settledOf(client: pg.Client): Promise<Settled> {
  const { rows } = await client.query<Settled>(
    `SELECT (SELECT count(*) FROM dead_letters)::int AS letters, (SELECT count(*) FROM sensor_metrics)::int AS values,
            (SELECT count(*) FROM sensor_alerts)::int AS alerts`,
  );
  return rows[0] ?? { letters: 0, values: 0, alerts: 0 };
}

/** Asked of the server: the daemon is what is measured. */
async function settled(client: pg.Client, expected: Settled): Promise<void> {
  const missing = async () => {
    const found = await settledOf(client);
    return (['letters', 'values', 'alerts'] as const).some((of) => found[of] < expected[of]);
  };
  const what = `(j) the worst messages are done with: ${JSON.stringify(expected)}`;
  await eventually(what, async () => !(await missing()), { withinMs: STORED_MS, everyMs: POLL_EVERY_MS });
}
