import { databaseUrlOf, numberOf, parseArguments } from '../bench/arguments.ts';

export interface ChaosOptions {
  /** How long faults are injected. The start before and the check after come on top. */
  readonly seconds: number;
  readonly seed: number;
  /** Messages per second, of all publishers together. */
  readonly rate: number;
  readonly databaseUrl: string | undefined;
  /** The daemon under test; undefined: dist/main.js of this package. */
  readonly program: string | undefined;
  /** Only faults of these kinds; undefined: all that the database allows. */
  readonly only: readonly string[] | undefined;
  readonly keep: boolean;
  readonly json: boolean;
}

export const HELP = `Usage: npm run chaos -- [options]

Runs the daemon between a real mosquitto and a TimescaleDB, publishes numbered messages at QoS 1, injects a seeded
schedule of faults, and then checks that nothing is lost, nothing is stored twice and every alert episode is what the
same readings give without any fault.

Options:
  --seconds N         how long faults are injected (default: 60); up to 60 s to settle come on top
  --seed N            which schedule of faults (default: 1)
  --rate N            messages per second (default: 500)
  --database-url URL  a TimescaleDB server instead of the embedded one; the user must be allowed to create databases:
                      a database is made for the run and dropped after it
  --only LIST         fault kinds to inject, such as commit-reply,daemon-kill (default: all)
  --program FILE      the daemon to test (default: dist/main.js)
  --keep              keep folders, logs and the database
  --json              one JSON document on standard output instead of the table
  --help              this text

Example: npm run chaos -- --seconds 120 --seed 7 --rate 300
`;

const MAX_RATE = 5000;
const TEXTS = ['seconds', 'seed', 'rate', 'only', 'program', 'database-url'] as const;

/** 'help', or what to do. Throws UsageError. */
export function parseOptions(args: readonly string[]): ChaosOptions | 'help' {
  const { values } = parseArguments(args, TEXTS, ['keep', 'json', 'help']);
  if (values.help === true) return 'help';
  const only = values.only?.split(',').map((kind) => kind.trim());
  return {
    seconds: numberOf('--seconds', values.seconds, 60, { max: 86_400 }),
    seed: numberOf('--seed', values.seed, 1, { max: 2 ** 32 - 1 }),
    rate: numberOf('--rate', values.rate, 500, { max: MAX_RATE }),
    databaseUrl: databaseUrlOf(values['database-url']),
    program: values.program,
    only,
    keep: values.keep === true,
    json: values.json === true,
  };
}
