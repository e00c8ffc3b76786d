import { inflate } from '../../adapters/system/inflate.ts';
import { readProtoFiles } from '../../adapters/system/proto-files.ts';
import { loadConfig } from '../../config/load.ts';
import { type Router, compileRoutes } from '../../core/ingest/route.ts';
import { openCapture } from '../capture/file.ts';
import {
  type Cli,
  type CliCommand,
  type ExitCode,
  configOption,
  print,
  subcommand,
  usage,
} from '../command.ts';
import { type HintOptions, decodeOne, decodeReplay, parseReceivedAt } from './decode.ts';

interface Options {
  readonly config?: string;
  readonly topic?: string;
  readonly retain?: boolean;
  readonly receivedAt?: string;
  readonly contentType?: string;
  readonly replay?: string;
}

const EXAMPLE = [
  `fieldwatch decode -c fieldwatch.yaml --topic sensors/n1 '{"temperature":21.5}'`,
  'mosquitto_sub -C 1 -t sensors/n1 | fieldwatch decode -c fieldwatch.yaml --topic sensors/n1',
  'fieldwatch decode -c fieldwatch.yaml --replay capture.jsonl',
].join('\n');

/** `fieldwatch decode`: shows the readings that the routes decode from a payload, with neither broker nor database. */
export const decodeCommand: CliCommand = (cli) =>
  subcommand('decode', 'show what a configuration makes of a payload, as one JSON line per message', EXAMPLE)
    .argument('[payload]', 'the payload as text (default: standard input, as bytes)')
    .option(...configOption)
    .option('-t, --topic <topic>', 'topic of the message')
    .option('--retain', 'the message is a retained one')
    .option('--received-at <time>', 'arrival of the message, ISO 8601 (default: now)')
    .option('--content-type <type>', 'MQTT 5 content type of the message')
    .option(
      '--replay <file>',
      'decode a capture instead, - for standard input: JSON lines {topic, payload | payload_hex, retain?, received_at?}',
    )
    .action(cli.action((payload: string | undefined, options: Options) => decode(cli, payload, options)));

async function decode(cli: Cli, payload: string | undefined, options: Options): Promise<ExitCode> {
  if (options.replay === undefined && options.topic === undefined)
    throw usage('--topic is missing', 'name the topic of the message, or give a capture with --replay');
  if (options.replay !== undefined && (payload !== undefined || options.topic !== undefined))
    throw usage('--replay takes neither a payload nor --topic', 'the capture has them');
  const { config, located } = loadConfig({ file: options.config, env: cli.env });
  const { limits, time_window: timeWindow } = config;
  const router = compileRoutes(readProtoFiles(config.routes, located?.file), { limits, timeWindow, inflate });
  const hints = { limits, inflate };
  if (options.replay !== undefined) return replay(cli, router, options.replay, hints);
  const receivedAtMs = options.receivedAt === undefined ? Date.now() : parseReceivedAt(options.receivedAt);
  if (receivedAtMs === undefined)
    throw usage(`--received-at ${options.receivedAt} is no time`, 'write it like 2026-01-15T12:00:00Z');
  const message = {
    topic: options.topic ?? '',
    payload: payload === undefined ? await readAll(cli.stdin) : new TextEncoder().encode(payload),
    retain: options.retain === true,
    receivedAtMs,
    contentType: options.contentType,
  };
  print(cli, decodeOne(router, message, hints));
  return 0;
}

async function replay(cli: Cli, router: Router, file: string, hints: HintOptions): Promise<ExitCode> {
  const write = (line: string): void => print(cli, line);
  await openCapture(cli, file, (lines) => decodeReplay(router, lines, write, Date.now, hints));
  return 0;
}

async function readAll(stream: NodeJS.ReadableStream): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
  return Buffer.concat(chunks);
}
