import { type Command, InvalidArgumentError, Option } from 'commander';
import { type ReceivedMessage, listen } from '../../adapters/mqtt/listener.ts';
import { createSystemClock } from '../../adapters/system/clock.ts';
import { mqttOptions } from '../../app/options.ts';
import { loadConfig } from '../../config/load.ts';
import type { Config } from '../../config/schema/index.ts';
import { counted } from '../../core/counted.ts';
import { reduceFilters } from '../../core/ingest/topic.ts';
import { PollLoop } from '../../lib/poll-loop.ts';
import type { Clock } from '../../ports/time.ts';
import { numeric, repeated } from '../arguments.ts';
import { type Cli, configOption } from '../command.ts';

/** The options that `capture` and `learn` share: broker, topic filters and limits. */
export interface ListenOptions {
  readonly config?: string;
  readonly broker?: string;
  readonly username?: string;
  readonly passwordFile?: string;
  readonly caFile?: string;
  readonly protocol?: '5.0' | '3.1.1';
  readonly filter?: readonly string[];
  readonly seconds?: number;
}

export function withListenOptions(command: Command): Command {
  return command
    .option(...configOption)
    .option('-b, --broker <url>', 'listen to this broker: mqtt://, mqtts://, ws:// or wss://', brokerUrl)
    .option('--username <name>', 'user name at the broker; the password: FIELDWATCH_MQTT_PASSWORD, or')
    .option('--password-file <file>', 'file that holds the password')
    .option('--ca-file <file>', 'PEM file of the authority that signed the broker certificate')
    .addOption(new Option('--protocol <version>', 'MQTT version').choices(['5.0', '3.1.1']))
    .option('-f, --filter <filter>', 'topic filter, may be repeated (default: "#")', topicFilter);
}

export const secondsOption = [
  '-s, --seconds <n>',
  'listen for this many seconds',
  numeric(0.1, 31_536_000, false),
] as const;

function brokerUrl(value: string): string {
  if (!/^(mqtts?|wss?):\/\/[^/]/.test(value) || !URL.canParse(value))
    throw new InvalidArgumentError('Expected mqtt://host:port, mqtts://, ws:// or wss://.');
  return value;
}

function topicFilter(value: string, before: readonly string[] = []): readonly string[] {
  const levels = value.split('/');
  const misplaced = levels.some(
    (level, at) =>
      (level.length > 1 && /[+#]/.test(level)) ||
      (level === '#' && at < levels.length - 1) ||
      /\0/.test(level),
  );
  if (value === '' || misplaced)
    throw new InvalidArgumentError('Expected an MQTT topic filter such as sensors/# or +/status.');
  return repeated(value, before);
}

export interface InputSource {
  readonly config: Config;
  readonly url: string;
  readonly filters: readonly string[];
}

/**
 * Where to listen. A broker that is named without a configuration file is asked with what the command line and the
 * environment say: the credentials of an unrelated file must not be sent to it.
 */
export function sourceOf(cli: Cli, options: ListenOptions): InputSource {
  const { broker, username, passwordFile, caFile, protocol } = options;
  const mqtt = {
    ...(broker === undefined ? {} : { url: broker }),
    ...(username === undefined ? {} : { username }),
    ...(passwordFile === undefined ? {} : { password_file: passwordFile }),
    ...(caFile === undefined ? {} : { tls: { ca_file: caFile } }),
    ...(protocol === undefined ? {} : { protocol }),
  };
  const bare = broker !== undefined && options.config === undefined;
  const { config } = loadConfig({
    file: options.config,
    ...(bare ? { text: '', file: 'command line' } : {}),
    env: cli.env,
    overrides: { mqtt },
  });
  const { embedded } = config;
  const host = embedded.mqtt_host === '0.0.0.0' ? '127.0.0.1' : embedded.mqtt_host;
  const url = config.mqtt.url ?? `mqtt://${host}:${embedded.mqtt_port}`;
  return { config, url, filters: reduceFilters(options.filter ?? ['#']) };
}

export interface Sample {
  readonly messages: number;
  readonly elapsedMs: number;
  readonly ended: 'seconds' | 'messages' | 'interrupted';
}

/** Listens until a limit or Ctrl-C; progress goes to standard error. What `onMessage` throws ends it. */
export async function collect(
  cli: Cli,
  { config, url, filters }: InputSource,
  limits: { readonly seconds: number | undefined; readonly messages: number | undefined },
  onMessage: (message: ReceivedMessage) => void | Promise<void>,
): Promise<Sample> {
  const clock = createSystemClock();
  let messages = 0;
  let end: (how: Sample['ended']) => void = () => {};
  let fail: (error: unknown) => void = () => {};
  const limit = new Promise<Sample['ended']>((resolve, reject) => ([end, fail] = [resolve, reject]));
  const say = (text: string): void => void cli.stderr.write(`fieldwatch: ${text}\n`);
  const take = async (message: ReceivedMessage): Promise<void> => {
    if (limits.messages !== undefined && messages >= limits.messages) return;
    messages++;
    try {
      await onMessage(message);
    } catch (error) {
      fail(error);
    }
    if (messages === limits.messages) end('messages');
  };
  const listener = await listen(
    mqttOptions(config, url, []),
    { url, filters },
    {
      onMessage: take,
      onLost: () => say('connection lost, trying again; what is published meanwhile is missing'),
      onBack: () => say('connected again'),
    },
    clock,
  );
  const startedMs = clock.monotonicMs();
  const length = limits.seconds === undefined ? 'until Ctrl-C' : `for ${limits.seconds} s`;
  say(`listening to ${filters.join(' ')} at ${url} ${length}`);
  const progress = progressOf(cli, clock, () => messages);
  void cli.interrupted.then(() => end('interrupted'));
  if (limits.seconds !== undefined) clock.after(limits.seconds * 1000, () => end('seconds'));
  try {
    const ended = await limit;
    return { messages, elapsedMs: clock.monotonicMs() - startedMs, ended };
  } finally {
    progress.stop();
    await listener.stop();
  }
}

/** A counter that is written over itself on a terminal; elsewhere a line now and then. */
function progressOf(cli: Cli, clock: Clock, messages: () => number): { stop(): void } {
  const terminal = cli.stderr.isTTY === true;
  const showProgress = (): void =>
    void cli.stderr.write(
      terminal ? `\r${counted(messages(), 'message')} ` : `fieldwatch: ${counted(messages(), 'message')}\n`,
    );
  const loop = new PollLoop({ clock, everyMs: terminal ? 500 : 10_000, run: showProgress });
  loop.start();
  return {
    stop: () => {
      void loop.stop();
      if (terminal) cli.stderr.write('\r\u001b[K');
    },
  };
}
