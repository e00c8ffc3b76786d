import { parseArgs } from 'node:util';

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

/** A usage error; exit code 2. */
export class UsageError extends Error {}

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

/** 'help', or what to do. Throws UsageError. */
export function parseOptions(args: readonly string[]): ChaosOptions | 'help' {
  const values = parse(args);
  if (values.help === true) return 'help';
  const only = values.only?.split(',').map((kind) => kind.trim());
  return {
    seconds: whole('--seconds', values.seconds, 60, 86_400),
    seed: whole('--seed', values.seed, 1, 2 ** 32 - 1),
    rate: whole('--rate', values.rate, 500, MAX_RATE),
    databaseUrl: databaseUrl(values['database-url']),
    program: values.program,
    only,
    keep: values.keep === true,
    json: values.json === true,
  };
}

function parse(args: readonly string[]) {
  const flag = { type: 'boolean' } as const;
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        ...{ seconds: text, seed: text, rate: text, only: text, program: text, 'database-url': text },
        ...{ keep: flag, json: flag, help: flag },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function whole(name: string, text: string | undefined, fallback: number, max: number): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1 || value > max) {
    throw new UsageError(`${name}: "${text}" is no whole number from 1 to ${max}`);
  }
  return value;
}

function databaseUrl(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  // The text may hold a password: it is not repeated.
  if (!URL.canParse(text) || !['postgres:', 'postgresql:'].includes(new URL(text).protocol)) {
    throw new UsageError('--database-url: expected a URL that starts with postgres://');
  }
  return text;
}
