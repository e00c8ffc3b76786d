import { InvalidArgumentError } from 'commander';
import { createSystemClock } from '../adapters/system/clock.ts';
import { type SimulationFigures, startSimulator } from '../simulator/publisher.ts';
import { numeric } from './arguments.ts';
import { type CliCommand, type ExitCode, jsonOption, print, subcommand } from './command.ts';

interface SimulateOptions {
  readonly url: string;
  readonly sensors: number;
  readonly rate: number;
  readonly seed: number;
  readonly seconds?: number;
  readonly count?: number;
  readonly inFlight: number;
  readonly json?: boolean;
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
    'publish readings of simulated sensors at QoS 1, until Ctrl-C or a limit',
    'fieldwatch simulate --url mqtt://127.0.0.1:1883 --sensors 50 --rate 100 --seconds 30',
  )
    .option('--url <url>', 'broker: mqtt://, mqtts://, ws:// or wss://', brokerUrl, 'mqtt://127.0.0.1:1883')
    .option('--sensors <n>', 'sensors, spread over three locations', numeric(1, 100_000), 50)
    .option('--rate <n>', 'messages a second in all; 0: as fast as acknowledged', numeric(0, 1e6, false), 50)
    .option('--seconds <n>', 'end after this many seconds', numeric(0.1, 1e9, false))
    .option('--count <n>', 'end after this many messages', numeric(1, 1e12))
    .option('--seed <n>', 'the same seed gives the same fleet', numeric(0, 0xffff_ffff), 1)
    .option('--in-flight <n>', 'messages that may wait for their PUBACK', numeric(1, 65_535), 200)
    .option(...jsonOption)
    .action(
      cli.action(async (options: SimulateOptions): Promise<ExitCode> => {
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
