import { type Command, InvalidArgumentError, Option } from 'commander';
import { settingsOf } from '../../app/wiring/notify.ts';
import { loadConfig } from '../../config/load.ts';
import { routesOf } from '../../config/notify-routes.ts';
import type { Config } from '../../config/schema/index.ts';
import { type AlertNotification, OF_NO_END, SEVERITIES, type Severity } from '../../core/alert/model.ts';
import { formatDuration } from '../../core/duration.ts';
import { messageOf } from '../../core/errors.ts';
import {
  explainRoutes,
  type RoutesExplanation,
  type SinkDecision,
} from '../../core/notify/explain-routes.ts';
import { sensorFacts } from '../../queries/sensors.ts';
import { type Moment, momentOption, repeated } from '../arguments.ts';
import { type Cli, type ExitCode, configOption, jsonOption, print, subcommand } from '../command.ts';
import { withDatabase } from '../database.ts';
import { configInForce } from '../demo/story.ts';
import { printRows } from '../output/rows.ts';
import type { Column } from '../output/table.ts';

type Labels = Readonly<Record<string, string>>;

interface Options {
  readonly config?: string;
  readonly json?: boolean;
  readonly sensor: string;
  readonly severity: Severity;
  readonly metric: string;
  readonly alertType?: string;
  readonly type?: string;
  readonly location?: string;
  readonly tag?: readonly string[];
  readonly gateway?: string;
  readonly label?: Labels;
  readonly at: Moment;
}

interface SensorDescription {
  readonly type: string | null;
  readonly location: string | null;
  readonly tags: readonly string[];
  readonly gateway: string | null;
}

/** `team=north`; given again it adds to what was given. */
function labelArgument(text: string, before: Labels = {}): Labels {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('Expected name=value, such as team=north.');
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

/** `fieldwatch notify routes test`. */
export const notifyRoutesCommand = (cli: Cli): Command =>
  subcommand(
    'routes',
    'which alerts go to which sinks',
    'fieldwatch notify routes test --sensor coldroom-07',
  ).addCommand(
    subcommand(
      'test',
      'which sinks an alert would go to, when, and why; exit 1 if it goes to none',
      'fieldwatch notify routes test --sensor coldroom-07 --severity critical --at 2026-12-24T23:30Z',
    )
      .requiredOption(
        '--sensor <key>',
        'key of the sensor; its type, location, tags and gateway are looked up',
      )
      .addOption(
        new Option('--severity <severity>', 'of the alert').choices([...SEVERITIES]).default('warning'),
      )
      .option('--metric <metric>', 'metric of the alert', 'temperature')
      .option('--alert-type <type>', 'type of the alert (default: <metric>_high)')
      .option('--type <type>', 'type of the sensor, instead of the known one')
      .option('--location <location>', 'location of the sensor, instead of the known one')
      .option('--tag <tag>', 'tag of the sensor, instead of the known ones; repeatable', repeated)
      .option('--gateway <key>', 'gateway of the sensor, instead of the known one')
      .option('--label <name=value>', 'label of the rule; repeatable', labelArgument)
      .addOption(momentOption('--at <time>', 'when it fires', '0'))
      .option(...configOption)
      .option(...jsonOption)
      .action(cli.action((options: Options) => test(cli, options))),
  );

async function test(cli: Cli, options: Options): Promise<ExitCode> {
  const config = configInForce(loadConfig({ file: options.config, env: cli.env }).config);
  const atMs = options.at(Date.now()).getTime();
  const facts = { name: null, ...(await describe(cli, config, options)) };
  const explanation = explainRoutes(
    { routes: routesOf(config.notify), times: config.notify.times },
    config.notify.sinks.map(settingsOf),
    firingOf(options, atMs),
    facts,
    atMs,
  );
  if (options.json === true) print(cli, JSON.stringify(documentOf(explanation, atMs)));
  else report(cli, explanation, config);
  return explanation.sinks.some(({ decision }) => decision === 'sent' || decision === 'held') ? 0 : 1;
}

/** The sensor by the options, then by the configuration, then by the database. */
async function describe(cli: Cli, config: Config, options: Options): Promise<SensorDescription> {
  const given = {
    type: options.type,
    location: options.location,
    tags: options.tag,
    gateway: options.gateway,
  };
  const isComplete = Object.values(given).every((value) => value !== undefined);
  const known = isComplete ? undefined : await knownSensor(cli, config, options.sensor);
  return {
    type: given.type ?? known?.type ?? null,
    location: given.location ?? known?.location ?? null,
    tags: given.tags ?? known?.tags ?? [],
    gateway: given.gateway ?? known?.gateway ?? null,
  };
}

async function knownSensor(cli: Cli, config: Config, key: string): Promise<SensorDescription | undefined> {
  const declared = Object.hasOwn(config.sensors.declare, key) ? config.sensors.declare[key] : undefined;
  if (declared !== undefined)
    return {
      type: declared.type ?? null,
      location: declared.location ?? null,
      tags: declared.tags,
      gateway: declared.gateway ?? null,
    };
  const say = (text: string) => cli.stderr.write(`fieldwatch: ${text}\n`);
  try {
    const [found] = await withDatabase(cli, config, (db) => sensorFacts(db, { sensor: [key] }), {
      mayStart: false,
      readsOnly: true,
    });
    if (found === undefined)
      say(`no sensor is registered as "${key}": without type, location, tags and gateway`);
    return found;
  } catch (error) {
    say(`without type, location, tags and gateway of "${key}": ${messageOf(error)}`);
    return undefined;
  }
}

function firingOf({ sensor, severity, metric, alertType, label }: Options, atMs: number): AlertNotification {
  const notification = {
    alertId: '00000000-0000-0000-0000-000000000000',
    seq: 1,
    event: 'firing' as const,
    sensorId: 0,
    sensorKey: sensor,
    alertType: alertType ?? `${metric}_high`,
    metric,
    severity,
    message: '',
    value: null,
    threshold: null,
    eventTimeMs: atMs,
    startedAtMs: atMs,
    firedAtMs: atMs,
    ...OF_NO_END,
  };
  return label === undefined ? notification : { ...notification, labels: label };
}

const iso = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString());
const shown = (ms: number | null) => (ms === null ? null : formatDuration(ms));

const WHEN: Readonly<Record<SinkDecision['decision'], string>> = {
  sent: 'sent',
  held: 'held until',
  escalation: 'escalated at',
  not_sent: 'not sent',
};

const COLUMNS = (kindOf: (sink: string) => string): readonly Column<SinkDecision>[] => [
  { title: 'sink', value: ({ sink }) => sink },
  { title: 'kind', value: ({ sink }) => kindOf(sink) },
  {
    title: 'when',
    value: ({ decision, atMs }) =>
      decision === 'sent' || atMs === null ? WHEN[decision] : `${WHEN[decision]} ${iso(atMs) ?? ''}`,
  },
  { title: 'route', value: ({ route }) => route },
  { title: 'why', value: ({ reason }) => reason },
  { title: 'group', value: ({ groupKey }) => groupKey },
  { title: 'wait', value: ({ groupWaitMs }) => shown(groupWaitMs) },
  { title: 'interval', value: ({ groupIntervalMs }) => shown(groupIntervalMs) },
  { title: 'repeat', value: ({ repeatMs }) => shown(repeatMs) },
];

function report(cli: Cli, { sinks, routes }: RoutesExplanation, config: Config): void {
  const kinds = new Map(config.notify.sinks.map(({ name, kind }) => [name, kind]));
  printRows(
    cli,
    COLUMNS((sink) => kinds.get(sink) ?? ''),
    sinks,
    {},
  );
  print(cli, '');
  for (const { route, mismatch, reached } of routes) {
    const answer =
      mismatch === undefined ? (reached ? 'matches' : 'matches, a nested one decides') : `needs ${mismatch}`;
    print(cli, `${route.place}: ${answer}`);
  }
}

const documentOf = ({ alert, sinks, routes }: RoutesExplanation, atMs: number) => ({
  at: iso(atMs),
  alert: {
    sensor: alert.sensor.key,
    type: alert.sensor.type,
    location: alert.sensor.location,
    tags: alert.sensor.tags,
    gateway: alert.sensor.gateway ?? null,
    metric: alert.metric,
    alert_type: alert.alertType,
    severity: alert.severity,
    labels: alert.labels ?? {},
  },
  sinks: sinks.map(({ sink, decision, atMs: dueMs, route, reason, ...more }) => ({
    sink,
    decision,
    at: iso(dueMs),
    route,
    reason,
    group: more.groupKey,
    group_wait_ms: more.groupWaitMs,
    group_interval_ms: more.groupIntervalMs,
    repeat_interval_ms: more.repeatMs,
  })),
  routes: routes.map(({ route, mismatch = null, reached }) => ({
    route: route.place,
    matches: mismatch === null,
    needs: mismatch,
    decides: reached,
  })),
});
