import { rulesSection } from '../app/learn/learn-rules.ts';
import { brokerSection } from '../app/learn/broker-section.ts';
import { proposeConfig } from '../app/learn/propose-config.ts';
import { loadConfig } from '../config/load.ts';
import type { Config } from '../config/schema/index.ts';
import type { PlainObject } from '../config/walk.ts';
import { counted } from '../core/counted.ts';
import { Gathering } from '../learn/gathering.ts';
import type { Learned } from '../learn/learned.ts';
import { openCapture } from './capture/file.ts';
import { type Cli, type CliCommand, type ExitCode, jsonOption, print, subcommand, usage } from './command.ts';
import { parseReplayLine } from './decode/decode.ts';
import {
  type ListenOptions,
  sourceOf,
  collect,
  secondsOption,
  withListenOptions,
} from './capture/listening.ts';

interface Options extends ListenOptions {
  readonly replay?: string;
  readonly alerts?: boolean;
  readonly json?: boolean;
}

const DEFAULT_SECONDS = 60;
const EXAMPLE = [
  'fieldwatch learn --broker mqtt://127.0.0.1:1883 --seconds 300 > fieldwatch.yaml',
  'fieldwatch learn --replay capture.jsonl > fieldwatch.yaml && fieldwatch check-config -c fieldwatch.yaml',
].join('\n');

/** `fieldwatch learn`: listens for a while and prints a configuration for the messages it receives. */
export const learnCommand: CliCommand = (cli) =>
  withListenOptions(
    subcommand(
      'learn',
      'listen to a broker, detect devices and formats, and print a configuration that stores them',
      EXAMPLE,
    ),
  )
    .option(...secondsOption)
    .option('--replay <file>', 'learn from a capture instead of a broker, - for standard input')
    .option(
      '--alerts',
      'propose alert rules, too: silence by the observed rhythm, limits where a datasheet gives them',
    )
    .option(...jsonOption)
    .addHelpText(
      'after',
      `\nListens for ${DEFAULT_SECONDS} s unless --seconds says otherwise; Ctrl-C ends it with the messages received until then.\n`,
    )
    .action(cli.action((options: Options) => run(cli, options)));

async function run(cli: Cli, options: Options): Promise<ExitCode> {
  const { gathering, config, mqtt } =
    options.replay === undefined ? await samples(cli, options) : await replayed(cli, options, options.replay);
  if (gathering.messages === 0) {
    cli.stderr.write(
      'fieldwatch: no messages received: listen longer (--seconds), or to other topics (--filter)\n',
    );
    return 1;
  }
  const { learned, yaml } = proposeConfig(gathering, { config, mqtt, alerts: options.alerts === true });
  print(cli, options.json === true ? JSON.stringify(jsonOf(learned, options)) : yaml.trimEnd());
  summarise(cli, learned);
  return learned.routes.length === 0 ? 1 : 0;
}

interface Gathered {
  readonly gathering: Gathering;
  readonly config: Config;
  readonly mqtt: PlainObject | undefined;
}

async function samples(cli: Cli, options: Options): Promise<Gathered> {
  const source = sourceOf(cli, options);
  const gathering = new Gathering();
  const seconds = options.seconds ?? DEFAULT_SECONDS;
  await collect(cli, source, { seconds, messages: undefined }, (message) => gathering.add(message));
  return { gathering, config: source.config, mqtt: brokerSection(source.config.mqtt) };
}

async function replayed(cli: Cli, options: Options, file: string): Promise<Gathered> {
  for (const key of ['broker', 'filter', 'seconds'] as const)
    if (options[key] !== undefined)
      throw usage(`--replay does not go together with --${key}`, 'a capture is learnt from as it is');
  const { config } = loadConfig({ file: options.config, env: cli.env });
  const gathering = new Gathering();
  const now = (): number => {
    gathering.hasArrivalTimes = false;
    return Date.now();
  };
  await openCapture(cli, file, async (lines) => {
    let number = 0;
    for await (const line of lines)
      if (++number > 0 && line.trim() !== '') gathering.add(parseReplayLine(line, number, now));
  });
  return { gathering, config, mqtt: undefined };
}

const jsonOf = (learned: Learned, { alerts }: Options) => ({
  messages: learned.messages,
  topics: learned.topics,
  seconds: learned.seconds,
  overlooked: learned.overlooked,
  routes: learned.routes.map(({ perMinute, ...route }) => ({ ...route, per_minute: perMinute ?? null })),
  ...(alerts === true ? { alerts: rulesSection(learned.rules), unsteady: learned.rules.unsteady } : {}),
  left_out: learned.leftOut,
  not_placed: learned.notPlaced,
});

function summarise(cli: Cli, { routes, notPlaced }: Learned): void {
  const devices = routes.reduce((sum, route) => sum + route.devices.length, 0);
  const unplaced = notPlaced.reduce((sum, reason) => sum + reason.messages, 0);
  const rest = unplaced === 0 ? '' : `, ${counted(unplaced, 'message')} not placed`;
  cli.stderr.write(`fieldwatch: ${counted(routes.length, 'route')}, ${counted(devices, 'device')}${rest}\n`);
}
