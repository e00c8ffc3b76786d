import { UsageError, databaseUrlOf, numberOf, parseArguments, urlOf } from './arguments.ts';

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
  'peers',
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
  'peers',
  'export',
  'import',
  'record',
];
/** Parts that --peers measures: the peers, and the ends of the scale on which they stand. */
const BESIDE_PEERS: readonly Part[] = ['c', 'e', 'f', 'peers'];

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

/** Rows of (export) that a slow machine does in a second, all its runs together. */
const ROWS_PER_SECOND = 10_000;

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

const TEXTS = ['only', 'runs', 'messages', 'rows', 'seed', 'cpu-prof', 'database-url', 'mqtt-url'] as const;
const FLAGS = ['peers', 'quick', 'json', 'check', 'help'] as const;

/** 'help', or what to do. Throws UsageError. */
export function parseOptions(args: readonly string[]): BenchOptions | 'help' {
  const { values } = parseArguments(args, TEXTS, FLAGS);
  if (values.help === true) return 'help';
  const quick = values.quick === true;
  const base = quick ? QUICK : FULL;
  const runs = numberOf('--runs', values.runs, base.runs);
  const messages = values.messages;
  const liveMessages = numberOf('--messages', messages, base.liveMessages);
  const exportRows = numberOf('--rows', values.rows, base.exportRows);
  const drainMessages = numberOf('--messages', messages, base.drainMessages);
  return {
    parts: partsOf(values.only, values.peers === true),
    sizes: {
      ...base,
      runs,
      exportRows,
      importRows: numberOf('--rows', values.rows, base.importRows),
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
    seed: numberOf('--seed', values.seed, 1),
    databaseUrl: databaseUrlOf(values['database-url']),
    mqttUrl: urlOf('--mqtt-url', values['mqtt-url'], ['mqtt:']),
    profileDir: values['cpu-prof'],
  };
}

function partsOf(list: string | undefined, peers: boolean): ReadonlySet<Part> {
  if (peers) return new Set([...BESIDE_PEERS, ...(list === undefined ? [] : partsOf(list, false))]);
  if (list === undefined) return new Set(PARTS.filter((part) => !ON_REQUEST.includes(part)));
  const names = list.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !(PARTS as readonly string[]).includes(name));
  if (unknown !== undefined) {
    throw new UsageError(`--only: "${unknown}" is no part; expected some of ${PARTS.join(',')}`);
  }
  return new Set(names as Part[]);
}
