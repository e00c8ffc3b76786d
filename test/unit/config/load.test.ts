import { describe, expect, test } from '@jest/globals';
import { buildConnectOptions } from '../../../src/adapters/mqtt/connect-options.ts';
import { mqttOptions } from '../../../src/app/options.ts';
import { ConfigError } from '../../../src/config/fault.ts';
import { type LoadOptions, loadConfig } from '../../../src/config/load.ts';
import { locateConfig } from '../../../src/config/locate.ts';

const files =
  (contents: Record<string, string>) =>
  (path: string): string => {
    const text = contents[path];
    if (text === undefined) throw Object.assign(new Error('none'), { code: 'ENOENT' });
    return text;
  };

const load = (options: LoadOptions) => loadConfig({ env: {}, hostname: 'pi', ...options }).config;

function faultsOf(options: LoadOptions): readonly string[] {
  try {
    load(options);
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n').slice(1);
    throw error;
  }
  return [];
}

describe('defaults', () => {
  test('a file with routes only is valid, all else is default', () => {
    const config = load({ text: 'routes: [{ topic: "sensors/{device}", codec: json }]\n' });
    expect(config.mqtt.client_id).toBe('fieldwatch-pi');
    expect(config.mqtt.status_topic).toBe('fieldwatch/fieldwatch-pi/status');
    expect(config.mqtt.url).toBeUndefined();
    expect(config.ingest.batch).toEqual({ max_rows: 10_000, max_bytes: 8 * 1024 ** 2, linger: 50 });
  });

  test('a status topic of null disables it, and no will is left at the broker', async () => {
    const config = load({ text: 'mqtt: { url: "mqtt://h", status_topic: null }' });
    expect(config.mqtt.status_topic).toBeNull();
    const connect = await buildConnectOptions(mqttOptions(config, 'mqtt://h', []), 'mqtt://h');
    expect(connect.will).toBeUndefined();
  });

  test.each([
    ['an empty file', ''],
    ['comments only', '# nothing yet\n'],
    ['sections whose keys are all commented out', 'mqtt:\n  # url: …\nsensors:\n  declare:\nroutes:\n'],
  ])('%s is all defaults', (_, text) => {
    expect(load({ text })).toEqual(load({ text: '{}' }));
  });

  test('MQTT 5.0 without quotes is a number in YAML and means what it says', () => {
    expect(load({ text: 'mqtt: { protocol: 5.0 }' }).mqtt.protocol).toBe('5.0');
    expect(load({ text: 'mqtt: { protocol: 3.1.1 }' }).mqtt.protocol).toBe('3.1.1');
  });
});

describe('layers', () => {
  test('command line over environment over file', () => {
    const options = {
      text: 'http: { host: "::1", port: 1 }\nlog: { level: warn }\n',
      env: { FIELDWATCH_HTTP_PORT: '2', FIELDWATCH_LOG_LEVEL: 'error' },
      overrides: { log: { level: 'debug', format: undefined } },
    };
    const config = load(options);
    expect([config.http.host, config.http.port, config.log.level]).toEqual(['::1', 2, 'debug']);
  });

  test('the environment is typed by the schema', () => {
    const env = {
      FIELDWATCH_HTTP_ENABLED: 'false',
      FIELDWATCH_SENSORS_ALLOW: 'lab-*, hall-*',
      FIELDWATCH_MQTT_PASSWORD: '1234',
      FIELDWATCH_MQTT_KEEPALIVE: '1m',
      FIELDWATCH_MQTT_PROTOCOL: '5.0',
      FIELDWATCH_LOG_LEVEL: '',
      FIELDWATCH_TEST_DATABASE_URL: 'anything',
      FIELDWATCH_CONFIG: 'not-read.yaml',
    };
    const config = load({ text: '', env });
    expect(config.http.enabled).toBe(false);
    expect(config.sensors.allow).toEqual(['lab-*', 'hall-*']);
    expect(config.mqtt.password).toBe('1234');
    expect(config.mqtt.keepalive).toBe(60_000);
    expect(config.mqtt.protocol).toBe('5.0');
    expect(config.log.level).toBe('info');
  });

  test.each([
    [{ FIELDWATCH_HTTP_ENABLED: 'yes' }, 'http.enabled: expected true or false'],
    [{ FIELDWATCH_HTTP_PORT: '0x' }, 'http.port: expected a number'],
    [{ FIELDWATCH_HTTP_PORT: '70000' }, 'http.port: must be at most 65535'],
    [{ FIELDWATCH_MQTT_KEEPALIVE: '30' }, 'mqtt.keepalive: "30" is no duration'],
    [{ FIELDWATCH_MTQT_URL: 'mqtt://h' }, 'unknown variable; did you mean "FIELDWATCH_MQTT_URL"?'],
    [{ FIELDWATCH_ROUTES: '[]' }, 'unknown variable'],
  ])('%j is a fault positioned at the variable', (env, message) => {
    expect(faultsOf({ text: '', env })).toEqual([
      expect.stringContaining(`environment: ${Object.keys(env)[0]}: ${message}`),
    ]);
  });

  test('what Kubernetes adds for a Service of this name is no setting', () => {
    const links = (name: string, port: number) => ({
      [`${name}_SERVICE_HOST`]: '10.0.0.7',
      [`${name}_SERVICE_PORT`]: String(port),
      [`${name}_SERVICE_PORT_METRICS`]: String(port),
      [`${name}_PORT`]: `tcp://10.0.0.7:${port}`,
      [`${name}_PORT_${port}_TCP`]: `tcp://10.0.0.7:${port}`,
      [`${name}_PORT_${port}_TCP_PROTO`]: 'tcp',
      [`${name}_PORT_${port}_TCP_PORT`]: String(port),
      [`${name}_PORT_${port}_TCP_ADDR`]: 'fd00::7',
    });
    // Services called fieldwatch, fieldwatch-http (its port has the name of a key), fieldwatch-notify-mail.
    const env = {
      ...links('FIELDWATCH', 9464),
      ...links('FIELDWATCH_HTTP', 80),
      ...links('FIELDWATCH_NOTIFY_MAIL', 25),
    };
    expect(load({ text: '', env }).http.port).toBe(9464);
    expect(load({ text: '', env: { ...env, FIELDWATCH_HTTP_PORT: '8080' } }).http.port).toBe(8080);
    expect(faultsOf({ text: '', env: { FIELDWATCH_PORT: '9464' } })).toHaveLength(1);
    expect(faultsOf({ text: '', env: { FIELDWATCH_SERVICE_HOST: 'db.example' } })).toHaveLength(1);
  });

  test('what other supervisors add is no setting either', () => {
    const env = {
      // Docker links of a container called fieldwatch; Podman; Nomad; a Service of two ports at IPv6 only.
      FIELDWATCH_PORT: 'tcp://172.17.0.2:9464',
      FIELDWATCH_PORT_9464_TCP: 'tcp://172.17.0.2:9464',
      FIELDWATCH_PORT_514_UDP: 'udp://172.17.0.2:514',
      FIELDWATCH_PORT_514_UDP_PROTO: 'udp',
      FIELDWATCH_METRICS_SERVICE_HOST: 'fd00:10:96::a1',
      FIELDWATCH_METRICS_SERVICE_PORT_HTTP_API: '9464',
      container: 'podman',
      NOMAD_PORT_http: '9464',
      CREDENTIALS_DIRECTORY: '/run/credentials/fieldwatch.service',
      // A minimal container or unit: no zone, the plainest locale, no home.
      LC_ALL: 'C',
      TZ: '',
    };
    expect(load({ text: '', env })).toEqual(load({ text: '', env: {} }));
  });

  test('a fault of a command-line flag says so', () => {
    expect(faultsOf({ text: '', overrides: { http: { port: -1 } } })).toEqual([
      'command line: http.port: must be at least 0',
    ]);
  });
});

describe('files that are named', () => {
  const readFile = files({
    '/etc/fw/main.yaml': 'mqtt: { password_file: secrets/mqtt, tls: { ca_file: ca.pem } }\n',
    '/etc/fw/secrets/mqtt': 'hunter2\n',
    '/etc/fw/ca.pem': 'PEM',
    '/run/other': 'from the environment',
  });

  test('lie beside the configuration file; a secret loses its trailing newline only', () => {
    const { mqtt } = load({ file: '/etc/fw/main.yaml', readFile });
    expect(mqtt.password).toBe('hunter2');
    expect(mqtt.password_file).toBe('/etc/fw/secrets/mqtt');
    expect(mqtt.tls.ca_file).toBe('/etc/fw/ca.pem');
  });

  test('a password of a higher layer replaces the password_file of a lower one, and the other way round', () => {
    const file = '/etc/fw/main.yaml';
    const env = (env: Record<string, string>) => load({ file, readFile, env }).mqtt.password;
    expect(env({ FIELDWATCH_MQTT_PASSWORD: 'given' })).toBe('given');
    expect(env({ FIELDWATCH_MQTT_PASSWORD_FILE: '/run/other' })).toBe('from the environment');
  });

  test.each([
    [
      'mqtt:\n  password: a\n  password_file: /p',
      ['m.yaml:3:18: mqtt.password_file: stands beside password: give one of the two'],
    ],
    ['mqtt:\n  password_file: /none', ['m.yaml:2:18: mqtt.password_file: cannot read /none: no such file']],
    ['database:\n  password_file: /empty', ['m.yaml:2:18: database.password_file: the file is empty']],
    [
      'mqtt:\n  password_file: /bom',
      [
        'm.yaml:2:18: mqtt.password_file: the file begins with a byte order mark (BOM), which would be part of the secret; save it as UTF-8 without BOM',
      ],
    ],
    ['mqtt: { tls: { ca_file: /none } }', ['m.yaml:1:25: mqtt.tls.ca_file: cannot read /none: no such file']],
    [
      'mqtt: { tls: { cert_file: /p } }',
      ['m.yaml:1:27: mqtt.tls.cert_file: needs key_file: a certificate and its key come together'],
    ],
  ])('%j is a fault', (text, expected) => {
    expect(
      faultsOf({
        text,
        file: 'm.yaml',
        readFile: files({ '/p': 'x', '/empty': '\n', '/bom': '\ufeffsecret\n' }),
      }),
    ).toEqual(expected);
  });

  test('the main file itself', () => {
    expect(faultsOf({ file: '/none.yaml' })).toEqual(['/none.yaml: cannot read /none.yaml: no such file']);
    expect(faultsOf({ env: { FIELDWATCH_CONFIG: '/none.yaml' } })).toEqual([
      '/none.yaml: cannot read /none.yaml: no such file (named by FIELDWATCH_CONFIG)',
    ]);
  });
});

describe('locateConfig', () => {
  const env = { FIELDWATCH_CONFIG: 'e.yaml' };
  const only = (path: string) => (candidate: string) => candidate === path;
  test.each([
    ['--config', 'c.yaml', env, () => true, 'c.yaml'],
    ['FIELDWATCH_CONFIG', undefined, env, () => true, 'e.yaml'],
    ['search path', undefined, {}, () => true, './config/fieldwatch.yaml'],
    [
      'search path',
      undefined,
      {},
      only('/etc/fieldwatch/fieldwatch.yaml'),
      '/etc/fieldwatch/fieldwatch.yaml',
    ],
  ])('%s', (by, named, environment, exists, file) => {
    expect(locateConfig(named, environment, exists)).toEqual({ file, by });
  });

  test('the packaged default last, and nothing without it', () => {
    const packaged = locateConfig(
      undefined,
      {},
      (path) => !path.startsWith('./') && !path.startsWith('/etc/'),
    );
    expect(packaged).toMatchObject({ by: 'packaged default' });
    expect(locateConfig(undefined, {}, () => false)).toBeUndefined();
  });
});
