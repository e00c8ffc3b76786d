import { Option } from 'commander';
import { createSystemClock } from '../../adapters/system/clock.ts';
import { type SampleOutcome, loneSink, sendSample } from '../../app/wiring/test-notification.ts';
import { loadConfig } from '../../config/load.ts';
import type { Config } from '../../config/schema/index.ts';
import { SEVERITIES, type Severity } from '../../core/alert/model.ts';
import { type SinkStatus, notifySinks } from '../../queries/status.ts';
import type { SinkConfig } from '../../sinks/index.ts';
import {
  type Cli,
  type CliCommand,
  type ExitCode,
  configOption,
  jsonOption,
  print,
  subcommand,
} from '../command.ts';
import { withDatabase } from '../database.ts';
import { configInForce } from '../demo/story.ts';
import { notifyPreviewCommand } from './preview.ts';
import { notifyRoutesCommand } from './routes.ts';
import { sinkCalled } from './sink.ts';
import { printRows } from '../output/rows.ts';
import { type Column, inZone } from '../output/table.ts';
import { type Zone, zoneOf, displayZoneOption } from '../zone.ts';

interface CommonOptions {
  readonly config?: string;
  readonly json?: boolean;
}
interface ListOptions extends CommonOptions {
  readonly timezone?: Zone;
}
interface TestOptions extends CommonOptions {
  readonly severity: Severity;
}

const COLUMNS: readonly Column<SinkStatus>[] = [
  { title: 'sink', value: (row) => row.name },
  { title: 'kind', value: (row) => row.kind },
  { title: 'queued', value: (row) => row.queued },
  { title: 'held', value: (row) => row.held },
  { title: 'oldest', value: (row) => row.oldestQueuedAt },
  { title: 'sent', value: (row) => row.sent },
  { title: 'refused', value: (row) => row.refused },
  { title: 'dropped', value: (row) => row.dropped },
  { title: 'last_sent', value: (row) => row.lastSentAt },
  { title: 'failing_since', value: (row) => row.failingSince },
  { title: 'last_error', value: (row) => row.lastError },
];

/** `fieldwatch notify list|test|preview`. */
export const notifyCommand: CliCommand = (cli) =>
  subcommand(
    'notify',
    'undelivered notifications of each sink, and whether a sink accepts notifications',
    'fieldwatch notify test ops',
  )
    .addCommand(
      subcommand(
        'list',
        'each sink: notifications waiting and sent, the last error',
        'fieldwatch notify list',
      )
        .addOption(displayZoneOption())
        .option(...configOption)
        .option(...jsonOption)
        .action(cli.action((options: ListOptions) => list(cli, options))),
    )
    .addCommand(
      subcommand('test', 'send a sample to a sink and print the result', 'fieldwatch notify test ops')
        .argument('<sink>', 'name of the sink in the configuration')
        .addOption(
          new Option('--severity <severity>', 'of the sample').choices([...SEVERITIES]).default('warning'),
        )
        .option(...configOption)
        .option(...jsonOption)
        .action(cli.action((name: string, options: TestOptions) => test(cli, name, options))),
    )
    .addCommand(notifyPreviewCommand(cli))
    .addCommand(notifyRoutesCommand(cli));

async function list(cli: Cli, options: ListOptions): Promise<ExitCode> {
  const config = configInForce(loadConfig({ file: options.config, env: cli.env }).config);
  const known = await withDatabase(cli, config, notifySinks);
  printRows(cli, inZone(COLUMNS, zoneOf(config, options)), merged(config, known), options);
  return 0;
}

/** The sinks of the configuration in its order, those never served too; then others that are served, or that something waits for. */
function merged({ notify }: Config, known: readonly SinkStatus[]): readonly SinkStatus[] {
  const byName = new Map(known.map((status) => [status.name, status]));
  const configured = notify.sinks.map(({ name, kind }) => ({
    ...(byName.get(name) ?? { ...NEVER, name }),
    kind,
  }));
  const others = known.filter(
    (status) =>
      (status.queued > 0 || status.servedBy !== null) &&
      !notify.sinks.some(({ name }) => name === status.name),
  );
  return [...configured, ...others];
}

const NEVER: Omit<SinkStatus, 'name'> = {
  kind: null, queued: 0, held: 0, oldestQueuedAt: null, sent: 0, refused: 0, dropped: 0, lastSentAt: null, failingSince: null,
  lastError: null, lastErrorAt: null, servedBy: null,
}; // prettier-ignore

async function test(cli: Cli, name: string, options: TestOptions): Promise<ExitCode> {
  const config = configInForce(loadConfig({ file: options.config, env: cli.env }).config);
  const settings = sinkCalled(config, name);
  const clock = createSystemClock();
  const sink = loneSink(config, settings, clock);
  try {
    const outcome = await sendSample(sink, settings, options.severity, clock);
    print(
      cli,
      options.json === true ? JSON.stringify(document(settings, outcome)) : sentence(settings, outcome),
    );
    return outcome.ok ? 0 : 1;
  } finally {
    await sink.close();
  }
}

function sentence({ name, kind }: SinkConfig, outcome: SampleOutcome): string {
  if (outcome.ok) return `${name} (${kind}): taken after ${outcome.tookMs} ms`;
  const { message, code, remedy } = outcome.failure;
  return `${name} (${kind}): not accepted: ${message}\n  code: ${code}\n  remedy: ${remedy ?? ''}`;
}

const document = ({ name, kind }: SinkConfig, outcome: SampleOutcome) => ({
  sink: name,
  kind,
  ok: outcome.ok,
  ...(outcome.ok
    ? { took_ms: outcome.tookMs }
    : { code: outcome.failure.code, error: outcome.failure.message, remedy: outcome.failure.remedy }),
});
