import { InvalidArgumentError } from 'commander';
import { createSystemClock } from '../adapters/system/clock.ts';
import { type SimulationFigures, startSimulator } from '../simulator/publisher.ts';
import { silentLogger } from '../adapters/log/logger.ts';
import { importFiles } from '../app/import/import-files.ts';
import { loadConfig } from '../config/load.ts';
import { history } from '../simulator/history.ts';
import { type Moment, durationOption, momentArgument, numeric } from './arguments.ts';
import {
  type Cli,
  type CliCommand,
  type ExitCode,
  configOption,
  jsonOption,
  print,
  subcommand,
  usage,
} from './command.ts';
import { withDatabaseUrl } from './database.ts';
import { Progress } from './export/progress.ts';

interface SimulateOptions {
  readonly url: string;
  readonly sensors: number;
  readonly rate: number;
  readonly seed: number;
  readonly seconds?: number;
  readonly count?: number;
  readonly inFlight: number;
  readonly json?: boolean;
  readonly config?: string;
  readonly since?: Moment;
  readonly until?: Moment;
  readonly every: number;
}

function brokerUrl(value: string): string {
  if (!/^(mqtts?|wss?):\/\/[^/]/.test(value) || !URL.canParse(value))
    throw new InvalidArgumentError('Expected mqtt://host:port, mqtts://, ws:// or wss://.');
  return value;
}

/** `fieldwatch simulate`: a fleet of sensors that publishes to any broker. */
export const simulateCommand: CliCommand = (cli) =>
  subcommand(
    'simulate',
    'publish readings of simulated sensors at QoS 1, until Ctrl-C or a limit; or store a simulated past',
    'fieldwatch simulate --url mqtt://127.0.0.1:1883 --sensors 50 --rate 100 --seconds 30\n' +
      'fieldwatch simulate --since 30d --sensors 20 --seed 7',
  )
    .option('--url <url>', 'broker: mqtt://, mqtts://, ws:// or wss://', brokerUrl, 'mqtt://127.0.0.1:1883')
    .option('--sensors <n>', 'sensors, spread over three locations', numeric(1, 100_000), 50)
    .option('--rate <n>', 'messages a second in all; 0: as fast as acknowledged', numeric(0, 1e6, false), 50)
    .option('--seconds <n>', 'end after this many seconds', numeric(0.1, 1e9, false))
    .option('--count <n>', 'end after this many messages', numeric(1, 1e12))
    .option('--seed <n>', 'the same seed gives the same fleet', numeric(0, 0xffff_ffff), 1)
    .option('--in-flight <n>', 'messages that may wait for their PUBACK', numeric(1, 65_535), 200)
    .option(
      '--since <when>',
      'store readings from then on in the database, as fast as it takes them, and publish nothing',
      momentArgument,
    )
    .option('--until <when>', 'end of the stored readings (default: now)', momentArgument)
    .addOption(durationOption('--every <duration>', 'between two stored readings of a sensor', '5m'))
    .option(...configOption)
    .option(...jsonOption)
    .addHelpText('after', NOTES)
    .action(
      cli.action(async (options: SimulateOptions): Promise<ExitCode> => {
        if (options.since !== undefined) return storePast(cli, options, options.since);
        const simulator = await startSimulator(
          {
            ...options,
            username: cli.env.FIELDWATCH_MQTT_USERNAME,
            password: cli.env.FIELDWATCH_MQTT_PASSWORD,
            maxInFlight: options.inFlight,
            durationMs: options.seconds === undefined ? undefined : options.seconds * 1000,
          },
          createSystemClock(),
        );
        cli.stderr.write(`fieldwatch: ${options.sensors} simulated sensors are publishing, Ctrl-C ends it\n`);
        void cli.interrupted.then(() => simulator.stop());
        const figures = await simulator.done;
        print(cli, options.json === true ? JSON.stringify(inSeconds(figures)) : summary(figures));
        return figures.acknowledged === figures.published ? 0 : 1;
      }),
    );

const NOTES = `
With --since: temperature, humidity, pressure, battery, rssi, co2, power and energy with a daily rhythm, faults (values out of their limits or stuck),
gaps of hours, and meters that start again at zero. The same seed, range and --every give the same readings; storing them again changes nothing. They raise no
alerts, as with \`fieldwatch import\`, and the aggregates of their hours are refreshed.
`;

async function storePast(cli: Cli, options: SimulateOptions, since: Moment): Promise<ExitCode> {
  const { config } = loadConfig({ file: options.config, env: cli.env });
  const nowMs = Date.now();
  const [from, to] = [since(nowMs), options.until?.(nowMs) ?? new Date(nowMs)];
  if (from >= to) throw usage(`--since ${from.toISOString()} is not before --until ${to.toISOString()}`);
  const { sensors, seed, every: everyMs } = options;
  const abort = new AbortController();
  void cli.interrupted.then(() => abort.abort());
  const progress = new Progress(cli);
  const chunks = () => history({ sensors, seed, fromMs: from.getTime(), toMs: to.getTime(), everyMs });
  const job = {
    files: [{ path: 'simulated', chunks }],
    table: {
      ...{
        map: new Map<string, string>(),
        ignore: new Set<string>(),
        sensor: undefined,
        timeUnit: 'ms' as const,
      },
      ...{ maxPastUs: Infinity, maxFutureUs: 0 },
    },
    ...{ restart: true, refresh: true, alerts: false, signal: abort.signal, onResumed: () => undefined },
    onProgress: (rows: number, share: number) => progress.add(rows, share),
  };
  try {
    return await withDatabaseUrl(
      cli,
      config,
      async (url): Promise<ExitCode> => {
        const { stored, duplicate, merged, expired, refreshes } = await importFiles(
          config,
          url,
          job,
          silentLogger,
        );
        progress.end();
        const figures = {
          sensors,
          from,
          to,
          stored,
          duplicate: duplicate + merged,
          expired,
          refreshes: refreshes ?? null,
        };
        print(cli, options.json === true ? JSON.stringify(figures) : storedText(figures));
        return 0;
      },
      { refuseNewer: true },
    );
  } finally {
    progress.end();
  }
}

const storedText = (figures: {
  readonly sensors: number;
  readonly stored: number;
  readonly duplicate: number;
  readonly expired: number;
}) =>
  `stored ${figures.stored} readings of ${figures.sensors} sensors` +
  (figures.duplicate > 0 ? `, ${figures.duplicate} were there` : '') +
  (figures.expired > 0 ? `, ${figures.expired} are older than readings are kept` : '');

const inSeconds = ({ published, acknowledged, failed, elapsedMs }: SimulationFigures) => ({
  published,
  acknowledged,
  failed,
  seconds: Number((elapsedMs / 1000).toFixed(3)),
  rate: elapsedMs === 0 ? 0 : Number(((acknowledged * 1000) / elapsedMs).toFixed(1)),
});

function summary(figures: SimulationFigures): string {
  const { published, acknowledged, failed, seconds, rate } = inSeconds(figures);
  const lost = failed === 0 ? '' : `, ${failed} not acknowledged`;
  return `published ${published}, acknowledged ${acknowledged}${lost} in ${seconds} s (${rate} messages/s)`;
}
