import { hostname } from 'node:os';
import { type ReadFile, readTextFile } from '../lib/secret-file.ts';
import { type YamlTree, readYaml } from './document.ts';
import { type Environment, readEnvironment, withoutServiceLinks } from './environment.ts';
import { ConfigError, type ConfigFault, sortFaults } from './fault.ts';
import { readNamedFiles, unreadable } from './files.ts';
import { faultsOf } from './issues.ts';
import { flatten, includeAlerts, overlay } from './layers.ts';
import { type Located, locateConfig } from './locate.ts';
import { Origins } from './origins.ts';
import { scrub, secretsIn } from './redact.ts';
import { type Config, configSchema } from './schema/index.ts';
import { overlaySinkSecrets } from './sink-environment.ts';
import { type PlainObject, isPlainObject, withDefaults } from './walk.ts';

/** `alerts.allowed_lateness` where `mqtt.share_group` is set. */
const SHARED_LATENESS = '2s';

export interface LoadOptions {
  /** The file named by --config. Absent: FIELDWATCH_CONFIG, then the search paths, then the packaged default. */
  readonly file?: string | undefined;
  /** The text of the file, where the caller has it already; no file is looked for, `file` only names it. */
  readonly text?: string | undefined;
  /** Defaults to the environment of the process. */
  readonly env?: Environment | undefined;
  /** Command-line flags, as a partial tree in the form of the YAML: `{ http: { port: 0 } }`. */
  readonly overrides?: PlainObject | undefined;
  readonly readFile?: ReadFile | undefined;
  readonly hostname?: string | undefined;
}

export interface LoadedConfig {
  readonly config: Config;
  /** The file that was used and why; undefined without a file: all values are defaults. */
  readonly located: Located | undefined;
  /** The effective configuration in the form of the YAML, defaults filled in: what printConfig prints. */
  readonly tree: PlainObject;
  readonly origins: Origins;
}

/**
 * Command line over environment over file over defaults. Throws one ConfigError with every fault of every layer.
 * Relative paths of files to read are resolved against the configuration file, folders to write against the working
 * directory.
 */
export function loadConfig(options: LoadOptions = {}): LoadedConfig {
  const env = withoutServiceLinks(options.env ?? process.env);
  const read = options.readFile ?? readTextFile;
  const located: Located | undefined =
    options.text === undefined
      ? locateConfig(options.file, env)
      : { file: options.file ?? 'fieldwatch.yaml', by: '--config' };
  const gathered = gather(options, env, read, located);
  const { tree, origins, faults } = gathered;
  readNamedFiles(configSchema, tree, origins, read, {
    fault: (path, message) => void faults.push(origins.fault(path, message)),
  });
  const filled = withDefaults(configSchema, tree) as PlainObject;
  allowLateness(tree, filled);
  expandNames(filled, options.hostname ?? hostname());
  const parsed = configSchema.safeParse(filled);
  if (!parsed.success) {
    const context = { root: configSchema, tree: filled, origins };
    faults.push(...faultsOf(parsed.error.issues, context).filter((fault) => gathered.trusted(fault)));
  }
  if (faults.length > 0 || !parsed.success) throw refusal(faults, gathered.files, filled);
  return { config: parsed.data, located, tree: filled, origins };
}

interface Gathered {
  readonly tree: PlainObject;
  readonly origins: Origins;
  readonly faults: ConfigFault[];
  readonly files: readonly string[];
  /** False for what a syntax error further up in its file may have caused. */
  trusted(fault: ConfigFault): boolean;
}

function gather(
  options: LoadOptions,
  env: Environment,
  read: ReadFile,
  located: Located | undefined,
): Gathered {
  const name = located?.file ?? 'configuration';
  const origins = new Origins(name);
  const broken = new Map<string, number>();
  const note = (file: string, parsed: YamlTree) => void broken.set(file, parsed.brokenFrom);
  const faults: ConfigFault[] = [];
  const tree = readMain(options.text, located, read, origins, faults, note);
  const environment = readEnvironment(configSchema, env);
  faults.push(...environment.faults);
  overlay(configSchema, tree, environment.values, origins);
  overlay(configSchema, tree, flatten(options.overrides ?? {}), origins);
  faults.push(...includeAlerts(tree, origins, read, note));
  faults.push(...overlaySinkSecrets(configSchema, tree, env, origins));
  const trusted = (fault: ConfigFault) => (fault.line ?? 0) < (broken.get(fault.file) ?? Infinity);
  const files = [name, ...broken.keys()];
  return { tree, origins, faults, files, trusted };
}

function readMain(
  given: string | undefined,
  located: Located | undefined,
  read: ReadFile,
  origins: Origins,
  faults: ConfigFault[],
  note: (file: string, parsed: YamlTree) => void,
): PlainObject {
  const empty = Object.create(null) as PlainObject;
  if (located === undefined) return empty;
  const { file } = located;
  const whole = { file, line: null, column: null, path: '' };
  let text = given;
  try {
    text ??= read(file);
  } catch (error) {
    const by = located.by === 'FIELDWATCH_CONFIG' ? ' (named by FIELDWATCH_CONFIG)' : '';
    faults.push({ ...whole, message: `${unreadable(file, error)}${by}` });
    return empty;
  }
  const parsed = readYaml(text, file, origins);
  note(file, parsed);
  faults.push(...parsed.faults);
  if (isPlainObject(parsed.value)) return parsed.value;
  if (parsed.value !== undefined && parsed.value !== null && parsed.faults.length === 0)
    faults.push({ ...whole, line: 1, column: 1, message: 'expected sections (key: value) at the top' });
  return empty;
}

/** In a share group the broker spreads a sensor's readings over the daemons, and some overtake others. */
function allowLateness(given: PlainObject, filled: PlainObject): void {
  const { mqtt, alerts } = given;
  if (!isPlainObject(mqtt) || mqtt.share_group === undefined || !isPlainObject(filled.alerts)) return;
  if (isPlainObject(alerts) && alerts.allowed_lateness !== undefined) return;
  filled.alerts = { ...filled.alerts, allowed_lateness: SHARED_LATENESS };
}

/** Fills in {hostname} and {client_id}: fixed names, so that a restart finds its persistent session again. */
function expandNames(tree: PlainObject, host: string): void {
  const mqtt = tree.mqtt;
  if (!isPlainObject(mqtt) || typeof mqtt.client_id !== 'string') return;
  const clientId = mqtt.client_id.replaceAll('{hostname}', host);
  mqtt.client_id = clientId;
  if (typeof mqtt.status_topic === 'string')
    mqtt.status_topic = mqtt.status_topic.replaceAll('{client_id}', clientId);
}

/** The last guard: whatever a message was made of, no secret of this configuration is in it. */
function refusal(faults: readonly ConfigFault[], files: readonly string[], tree: PlainObject): ConfigError {
  const secrets = secretsIn(configSchema, tree);
  const clean = faults.map((fault) => ({ ...fault, message: scrub(fault.message, secrets) }));
  return new ConfigError(sortFaults(clean, files));
}
