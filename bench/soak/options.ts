import { UsageError, databaseUrlOf, numberOf, parseArguments } from '../arguments.ts';

export const MODES = ['outage', 'steady', 'silence'] as const;
export type Mode = (typeof MODES)[number];

export interface SoakOptions {
  readonly mode: Mode;
  /** Length of the outage, or of the steady load; `no_data_after` of the sensors that fall silent. */
  readonly seconds: number;
  /** Messages a second. */
  readonly rate: number;
  /** Sensors that fall silent together. */
  readonly sensors: number;
  /** Sensors whose alerts change with each of their readings. */
  readonly alerting: number;
  /** `alerts.allowed_lateness` in seconds. */
  readonly lateness: number;
  readonly databaseUrl: string | undefined;
  /** How soon after the outage all must be stored. */
  readonly drainSeconds: number;
  readonly maxRssMb: number;
  /** By what share the last quarter of a steady run may be worse than the first. */
  readonly tolerance: number;
  readonly json: boolean;
}

export const HELP = `npm run soak -- <mode> [options]

The daemon under load for a long time, with a mosquitto and a TimescaleDB of its own.

  outage               the database is away for all of the time; then everything must be stored soon, the connection to
                       the broker never lost, memory bounded, and alerts logged at once
  steady               memory, event-loop delay and latency of the last quarter against those of the first
  silence              all sensors are silent after an outage of the broker, come back, and are silent again while the daemon
                       is killed: few lines, few notifications, nothing lost

  --seconds N          how long (default: 600); silence: no_data_after, within which all must come back and be notified
                       (default: 120, at least 60)
  --rate N             messages a second, QoS 1 (default: 1000)
  --sensors N          silence: how many (default: 100000)
  --alerting N         outage: of the 200 sensors, so many whose alerts change with each reading; the load goes on while the
                       spool drains (default: 0)
  --lateness N         outage: seconds of alerts.allowed_lateness (default: 0)
  --database-url URL   a TimescaleDB server (superuser) instead of the embedded one; a database is made for the run and
                       dropped after it
  --drain-seconds N    outage: seconds within which all must be stored after it (default: 120)
  --max-rss N          outage, silence: megabytes of memory at most (default: 300; silence: 600)
  --tolerance N        steady: by what share the last quarter may be worse (default: 0.2)
  --json               one JSON document on standard output instead of the table
  --help               this text

Exit code 0: all limits held; 1: one did not, or the run could not be carried out; 2: usage.
Example: npm run soak -- steady --seconds 1200 --rate 7000
`;

const TEXTS = [
  ...(['seconds', 'rate', 'sensors', 'alerting', 'lateness'] as const),
  ...(['database-url', 'drain-seconds', 'max-rss', 'tolerance'] as const),
];

/** 'help', or what to do. Throws UsageError. */
export function parseOptions(args: readonly string[]): SoakOptions | 'help' {
  const { values, positionals } = parseArguments(args, TEXTS, ['json', 'help'], true);
  if (values.help === true) return 'help';
  const mode = MODES.find((known) => known === positionals[0]);
  if (mode === undefined || positionals.length !== 1)
    throw new UsageError(`expected one of ${MODES.join(', ')}`);
  const isSilence = mode === 'silence';
  return {
    mode,
    seconds: numberOf('--seconds', values.seconds, isSilence ? 120 : 600, { min: isSilence ? 60 : 4 }),
    rate: numberOf('--rate', values.rate, 1000),
    sensors: numberOf('--sensors', values.sensors, 100_000, { min: 100 }),
    alerting: numberOf('--alerting', values.alerting, 0, { min: 0 }),
    lateness: numberOf('--lateness', values.lateness, 0, { min: 0 }),
    databaseUrl: databaseUrlOf(values['database-url']),
    drainSeconds: numberOf('--drain-seconds', values['drain-seconds'], 120),
    maxRssMb: numberOf('--max-rss', values['max-rss'], isSilence ? 600 : 300),
    tolerance: numberOf('--tolerance', values.tolerance, 0.2, { min: 0, whole: false }),
    json: values.json === true,
  };
}
