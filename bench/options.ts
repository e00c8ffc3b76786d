import { parseArgs } from 'node:util';

export const PARTS = [
  'a',
  'b',
  'c',
  'c2',
  'd',
  'e',
  'f',
  'g',
  'h',
  'i',
  'j',
  'k',
  'scale',
  'backlog',
  'handover',
  'start',
  'watched',
  'export',
  'import',
  'record',
] as const;
export type Part = (typeof PARTS)[number];
/** Only when asked for: several daemons want a server of their own, and starting is measured on what `npm run build` has made. */
const ON_REQUEST: readonly Part[] = [
  'scale',
  'backlog',
  'handover',
  'start',
  'watched',
  'export',
  'import',
  'record',
];

/** How much of everything. Counts are messages, rows or runs; times are seconds. */
export interface Sizes {
  readonly encodingSeconds: number;
  readonly storePairs: Readonly<Record<10_000 | 1000, number>>;
  readonly insertSeconds: number;
  readonly liveMessages: number;
  readonly liveWarmUp: number;
  readonly drainMessages: number;
  readonly drainWarmUp: number;
  readonly runs: number;
  readonly latencySeconds: number;
  readonly alertRuns: number;
  readonly verifyRuns: number;
  readonly startRuns: number;
  readonly restRuns: number;
  readonly restSeconds: number;
  readonly exportRows: number;
  readonly importRows: number;
  /** No further repetition is begun after this. */
  readonly softLimitSeconds: number;
  /** Whatever still runs then is stuck, and is stopped. */
  readonly hardLimitSeconds: number;
}

export interface BenchOptions {
  readonly parts: ReadonlySet<Part>;
  readonly sizes: Sizes;
  readonly quick: boolean;
  readonly json: boolean;
  readonly check: boolean;
  readonly seed: number;
  readonly databaseUrl: string | undefined;
  readonly mqttUrl: string | undefined;
  /** Where the daemon of (c) and (c2) leaves a CPU profile. */
  readonly profileDir: string | undefined;
}

/** What a slow machine does of (export) in a second, all its runs together. */
const ROWS_PER_SECOND = 10_000;

/** A usage error; exit code 2. */
export class UsageError extends Error {}

const FULL: Sizes = {
  encodingSeconds: 2,
  storePairs: { 10_000: 40, 1000: 120 },
  insertSeconds: 4,
  liveMessages: 200_000,
  liveWarmUp: 20_000,
  drainMessages: 100_000,
  drainWarmUp: 10_000,
  runs: 3,
  latencySeconds: 10,
  alertRuns: 5,
  verifyRuns: 10,
  startRuns: 21,
  restRuns: 3,
  restSeconds: 75,
  exportRows: 3_000_000,
  importRows: 500_000,
  softLimitSeconds: 240,
  hardLimitSeconds: 600,
};

const QUICK: Sizes = {
  encodingSeconds: 0.5,
  storePairs: { 10_000: 10, 1000: 30 },
  insertSeconds: 1,
  liveMessages: 30_000,
  liveWarmUp: 20_000,
  drainMessages: 30_000,
  drainWarmUp: 5000,
  runs: 2,
  latencySeconds: 3,
  alertRuns: 2,
  verifyRuns: 3,
  startRuns: 7,
  restRuns: 1,
  restSeconds: 75,
  exportRows: 300_000,
  importRows: 100_000,
  softLimitSeconds: 60,
  hardLimitSeconds: 240,
};

export const HELP = `Usage: npm run bench -- [options]

Measures fieldwatch on this machine, each figure against a reference of the same run.

  (a) encoding        rows/s into the binary COPY format
  (b) storing         rows/s of store.commit / raw COPY of the same bytes            target 0.85 at 10,000 rows
  (c) live flow       QoS 1 messages/s to committed rows / a subscriber that counts  target 0.75
  (c2) backlog        the same of messages that the broker has queued                target 0.75
  (d) latency         from the publisher's schedule to the commit, p50 and p99, at 1,000 and 10,000 messages/s
  (e) CPU             seconds of the daemon per 100,000 messages of (c) and of (c2)
  (f) naive           one INSERT per message; (c) must be at least 5 times as fast
  (g) alerts          the alert engine alone, three rules a sensor: time of a reading, memory, restoring, and all of
                      them silent at once, each for one of 100,000 sensors / one of 10,000              target 0.5
  (h) verifying       ms for the policies of 2,400 chunks, in a session as a daemon has it, in a new one, and with a
                      trigger of another program, target below 2,000; and commits meanwhile / alone
  (i) decoding        µs per message for a typical payload of each codec; for JSON: JSON.parse alone / it  target 0.33
  (j) refusing        the longest delay of the event loop with six of the worst messages that the limits admit  target below 200 ms
  (k) waiting         a backlog of 60,000 messages per second of its own time, with alerts.allowed_lateness 2s / 0s: rate,
                      target 0.85; CPU, target 1.25 at most; memory, target 60 MB more at most
  (scale) members     CPU of members, database and broker per 100,000 messages: one daemon, then share groups of 1, 2, 4 and 8
                      at one total rate; targets 1.1 times one daemon for a group of one, 1.5 for two. Only with --only scale
  (backlog) members   100,000 messages that the broker holds, of 900 sensors: one daemon, the same with allowed_lateness 2s
                      (targets 1.25 times the CPU, 0.85 of the rate), a share group of 1 (1.1 times the CPU of that), and of
                      2 (1.5 times the CPU of one daemon, 0.75 of its rate). Only with --only backlog
  (handover)          CPU of sender, owner and database to hand over 100,000 readings of another member's shards, 0.35 s at
                      most. Only with --only handover
  (start)             ms of --help, --version and check-config of dist/ (npm run build first) / node -e 0, target 2.5 times at
                      most; resident memory of the daemon at rest, target 85 MB at most. Only with --only start
  (watched) readers   100 streams of events and 20 users of the page beside 10,000 messages/s offered: rate stored, target 0.9 of
                      that without, p99 from publish to commit, 10 ms more than without at most; and beside a backlog that is
                      drained, target 0.9 of the rate without; each with the CPU of daemon, database and of the readers
                      themselves, who share the machine. Only with --only watched
  (export) files      rows/s of an export of CSV and Parquet through a pipe / psql with the same statement | cat, target 0.8; Parquet,
                      target 400,000; resident memory, target 250 MB at most; an import of CSV / store.commit, target 0.7.
                      Needs psql. Only with --only export

Options:
  --only LIST         parts to run, such as a,b (default: all but scale, backlog, handover, start, watched and export)
  --quick             small counts: seconds instead of minutes, and rougher figures
  --runs N            repetitions of each side of (c), (c2), (k), (backlog) and (watched)
  --messages N        messages of each run of (c) and (c2)
  (export)            rows/s of all readings through a pipe, CSV and Parquet / psql with the same statement and cat, target 0.8;
                      Parquet 400,000 rows/s, resident memory 250 MB at most. Only with --only export, needs psql
  (import) (record)   rows/s of a CSV file, target 0.7, and of recordBatch of the library, target 0.9 / store.commit of the same
                      rows. Only with --only import,record
  --rows N            rows of (export), (import) and (record)
  --database-url URL  a TimescaleDB server instead of the embedded one; the user must be allowed to create databases:
                      the bench makes one of its own and drops it
  --mqtt-url URL      a broker instead of a mosquitto of its own (mqtt://[user:password@]host:port); its queue per
                      client must hold the messages of one run
  --seed N            of the values in the payloads (default: 1)
  --cpu-prof DIR      the daemons of (c), (c2), (backlog) and (watched) leave a .cpuprofile per run in DIR
  --json              one JSON document on standard output instead of the table
  --check             exit 1 when a target is missed or a part was skipped
  --help              this text

Example: npm run bench -- --quick --only b,c --json
`;

/** 'help', or what to do. Throws UsageError. */
export function parseOptions(args: readonly string[]): BenchOptions | 'help' {
  const { values } = parse(args);
  if (values.help === true) return 'help';
  const quick = values.quick === true;
  const base = quick ? QUICK : FULL;
  const runs = whole('--runs', values.runs, base.runs);
  const messages = values.messages;
  const liveMessages = whole('--messages', messages, base.liveMessages);
  const exportRows = whole('--rows', values.rows, base.exportRows);
  const drainMessages = whole('--messages', messages, base.drainMessages);
  return {
    parts: partsOf(values.only),
    sizes: {
      ...base,
      runs,
      exportRows,
      importRows: whole('--rows', values.rows, base.importRows),
      // Ten million rows take minutes to be made alone.
      hardLimitSeconds: base.hardLimitSeconds + Math.round(exportRows / ROWS_PER_SECOND),
      liveMessages,
      liveWarmUp: Math.min(base.liveWarmUp, liveMessages),
      drainMessages,
      drainWarmUp: Math.min(base.drainWarmUp, drainMessages),
    },
    quick,
    json: values.json === true,
    check: values.check === true,
    seed: whole('--seed', values.seed, 1),
    databaseUrl: urlOf('--database-url', values['database-url'], ['postgres:', 'postgresql:']),
    mqttUrl: urlOf('--mqtt-url', values['mqtt-url'], ['mqtt:']),
    profileDir: values['cpu-prof'],
  };
}

function parse(args: readonly string[]) {
  const flag = { type: 'boolean' } as const;
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        ...{ only: text, runs: text, messages: text, rows: text, seed: text, 'cpu-prof': text },
        ...{ 'database-url': text, 'mqtt-url': text },
        ...{ quick: flag, json: flag, check: flag, help: flag },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function partsOf(list: string | undefined): ReadonlySet<Part> {
  if (list === undefined) return new Set(PARTS.filter((part) => !ON_REQUEST.includes(part)));
  const names = list.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !(PARTS as readonly string[]).includes(name));
  if (unknown !== undefined) {
    throw new UsageError(`--only: "${unknown}" is no part; expected some of ${PARTS.join(',')}`);
  }
  return new Set(names as Part[]);
}

function whole(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new UsageError(`${name}: "${text}" is no whole number from 1 on`);
  }
  return value;
}

function urlOf(name: string, text: string | undefined, protocols: readonly string[]): string | undefined {
  if (text === undefined) return undefined;
  // The text may hold a password: it is not repeated.
  if (!URL.canParse(text) || !protocols.includes(new URL(text).protocol)) {
    throw new UsageError(`${name}: expected a URL that starts with ${protocols.join('// or ')}//`);
  }
  return text;
}
