import { silentLogger } from '../../adapters/log/logger.ts';
import { probeBroker } from '../../adapters/mqtt/probe.ts';
import { createSystemClock } from '../../adapters/system/clock.ts';
import { createCatalog } from '../../adapters/timescale/policy/catalog.ts';
import { examineServer } from '../../adapters/timescale/connection/examine.ts';
import { status } from '../../adapters/timescale/migrate/migration-status.ts';
import { createPool, endPool, readerOf } from '../../adapters/timescale/connection/pool.ts';
import { connectOptions, databaseOptions, mqttOptions } from '../../app/options.ts';
import { exposuresOf } from '../../config/exposures.ts';
import { loadConfig } from '../../config/load.ts';
import type { Config } from '../../config/schema/index.ts';
import { FieldwatchError, messageOf } from '../../core/errors.ts';
import { assess } from '../../core/policy/assess.ts';
import { CHECKS } from '../../core/policy/check/index.ts';
import { planOf } from '../../core/policy/plan.ts';
import { plainText } from '../../core/printable.ts';
import type { Db } from '../../queries/db.ts';
import { readReplication, serverClock, shareGroup, totals } from '../../queries/status.ts';
import {
  type Cli,
  type CliCommand,
  type ExitCode,
  configOption,
  jsonOption,
  print,
  subcommand,
} from '../command.ts';
import { withDatabaseUrl } from '../database.ts';
import { readTopics } from './broker-topics.ts';
import { checkBroker } from './broker.ts';
import { diagnoseDaemon, diagnoseTokens } from './daemon.ts';
import {
  checkClock,
  checkConnection,
  checkPolicies,
  checkSchema,
  checkServer,
  checkTotals,
} from './database.ts';
import { diagnoseFolder } from './disk.ts';
import { diagnoseSinks } from './notify.ts';
import { checkFailover, readServerChecks } from './replication.ts';
import { type Diagnosis, type Status, areaOf, isFault } from './report.ts';
import { checkShareGroup } from './share-group.ts';
import { withInvocation } from '../invocation.ts';
import { type Paint, createPaint, padCells, wantsColor } from '../output/terminal.ts';

interface DoctorOptions {
  readonly config?: string;
  readonly json?: boolean;
}

/** `fieldwatch doctor`: checks everything the daemon depends on; exit 1 on a fault. */
export const doctorCommand: CliCommand = (cli) =>
  subcommand(
    'doctor',
    'check broker, database, schema, policies, disk, sinks and the running daemon; a remedy for each fault',
    'fieldwatch doctor --config /etc/fieldwatch/fieldwatch.yaml',
  )
    .option(...configOption)
    .option(...jsonOption)
    .action(cli.action((options: DoctorOptions) => examine(cli, options)));

async function examine(cli: Cli, options: DoctorOptions): Promise<ExitCode> {
  const { config } = loadConfig({ file: options.config, env: cli.env });
  // The daemon is checked first: an embedded database that is started for the other checks has no daemon.
  const diagnoses = [
    ...(await diagnoseDaemon(config)),
    ...diagnoseTokens(config),
    ...(await diagnoseBroker(config)),
    ...(await diagnoseDatabase(cli, config)),
    ...exposuresOf(config).map(({ area, ...exposure }) =>
      areaOf(area).warning({ subject: 'encryption', ...exposure }),
    ),
    ...(await diagnoseDisk(config)),
    ...(await diagnoseSinks(config)),
  ];
  const ok = !diagnoses.some(isFault);
  if (options.json === true) print(cli, JSON.stringify({ ok, diagnoses }));
  else diagnoses.forEach((one) => show(cli, one));
  return ok ? 0 : 1;
}

async function diagnoseBroker(config: Config): Promise<readonly Diagnosis[]> {
  const { mqtt, embedded } = config;
  const host = embedded.mqtt_host === '0.0.0.0' ? '127.0.0.1' : embedded.mqtt_host;
  const url = mqtt.url ?? `mqtt://${host}:${embedded.mqtt_port}`;
  const options = mqttOptions(config, url, []);
  const facts = await probeBroker(options, url, createSystemClock());
  const topics =
    facts.protocolVersion === undefined
      ? undefined
      : await readTopics(options, url, facts.protocolVersion, mqtt.status_topic);
  return checkBroker(facts, topics, config);
}

async function diagnoseDatabase(cli: Cli, config: Config): Promise<readonly Diagnosis[]> {
  try {
    return await withDatabaseUrl(cli, config, (url) => databaseChecks(config, url));
  } catch (error) {
    if (!(error instanceof FieldwatchError)) throw error;
    const remedy = error.remedy ?? 'docs/errors.md lists what each code means';
    return [areaOf('database').fault({ subject: 'connection', detail: messageOf(error), remedy })];
  }
}

async function databaseChecks(config: Config, url: string): Promise<readonly Diagnosis[]> {
  const connection = checkConnection(await examineServer(databaseOptions(config, url, 'doctor')));
  const pool = await createPool({ ...databaseOptions(config, url, 'doctor'), max: 1 }, silentLogger);
  try {
    const db = readerOf(pool);
    // The first query pays for the connection; the second one's round trip is short.
    const { version, timescaledb } = await serverClock(db);
    const askedMs = Date.now();
    const { nowMs } = await serverClock(db);
    const roundTripMs = Date.now() - askedMs;
    const failover = checkFailover(url, await readReplication(db));
    const clock = checkClock(askedMs + roundTripMs / 2 - nowMs, roundTripMs);
    const schema = checkSchema(await status(pool));
    const server = [checkServer(version, timescaledb), ...failover, ...(await readServerChecks(config))];
    const seen = [...connection, ...server, clock, schema];
    if (isFault(schema)) return [...seen, areaOf('policies').skipped('policies', 'the schema comes first')];
    const limits = { sensors: config.sensors.max, metrics: config.metrics.max };
    seen.push(...checkTotals(await totals(db), limits));
    return [...seen, ...(await policyChecks(config, url)), ...(await groupChecks(config, db, nowMs))];
  } finally {
    await endPool(pool, createSystemClock());
  }
}

async function groupChecks(config: Config, db: Db, nowMs: number): Promise<readonly Diagnosis[]> {
  const group = config.mqtt.share_group;
  return group === undefined ? [] : [checkShareGroup(group, await shareGroup(db, group), nowMs)];
}

/** With the scheduler's own short limits: it waits for no holder of a lock, and no session waits behind it. */
async function policyChecks(config: Config, url: string): Promise<readonly Diagnosis[]> {
  const catalog = createCatalog(connectOptions(config, url, 'doctor'));
  try {
    const { findings } = await assess(catalog, planOf(config.policies), CHECKS);
    return checkPolicies(findings, CHECKS.length);
  } finally {
    await catalog.close();
  }
}

async function diagnoseDisk(config: Config): Promise<readonly Diagnosis[]> {
  const state = await diagnoseFolder('state', config.state_dir);
  if (config.database.url !== undefined) return [state];
  return [state, await diagnoseFolder('data', config.embedded.data_dir)];
}

const MARKS: Readonly<Record<Status, string>> = {
  ok: '✓ ok',
  note: '· note',
  skipped: '- skipped',
  warning: '! warning',
  fault: '✗ FAULT',
};

function show(cli: Cli, { area, subject, status: state, detail, remedy }: Diagnosis): void {
  const paint = createPaint(wantsColor(cli));
  const title = subject === area ? area : `${area} ${subject}`;
  const mark = padCells(colourOf(paint, state)(MARKS[state]), 10);
  print(cli, `${mark} ${padCells(plainText(title), 26)} ${plainText(detail)}`);
  if (remedy !== undefined) print(cli, `${' '.repeat(10)} → ${plainText(withInvocation(remedy, cli))}`);
}

const colourOf = (paint: Paint, state: Status): ((text: string) => string) =>
  ({ ok: paint.green, note: paint.dim, skipped: paint.dim, warning: paint.yellow, fault: paint.red })[state];
