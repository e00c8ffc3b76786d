import { describe, expect, test } from '@jest/globals';
import { ConfigError } from '../../../src/config/fault.ts';
import { type LoadOptions, loadConfig } from '../../../src/config/load.ts';
import { FieldwatchError } from '../../../src/core/errors.ts';

function refusal(text: string, options: LoadOptions = {}): ConfigError {
  try {
    loadConfig({ file: 'f.yaml', text, env: {}, ...options });
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('accepted');
}

const lines = (text: string, options: LoadOptions = {}) =>
  refusal(text, options).message.split('\n').slice(1);

const TEN = `mqtt:
  ulr: mqtt://broker.example
  keepalive: 30
  protocol: "4"
database:
  url: mysql://db.example/x
http:
  port: 70000
log: { level: inof }
ingest:
  batch: { max_bytes: 8 MiBs }
  window:
    max_rows: 10
scheduler:
  verify: "every day"
http:
  port: 1
`;

describe('a file with many faults', () => {
  test('every one is reported at once, with line and column', () => {
    expect(lines(TEN)).toEqual([
      'f.yaml:2:3: mqtt.ulr: unknown key "ulr"; did you mean "url"?',
      'f.yaml:3:14: mqtt.keepalive: expected a duration, such as 250ms, 10s, 1h30m, 90 days, got a number',
      'f.yaml:4:13: mqtt.protocol: expected 5.0 or 3.1.1',
      'f.yaml:6:8: database.url: scheme "mysql" is not supported; expected one of postgres://, postgresql://',
      'f.yaml:8:9: http.port: must be at most 65535',
      'f.yaml:9:15: log.level: "inof" is not one of debug, info, warn, error; did you mean "info"?',
      'f.yaml:11:23: ingest.batch.max_bytes: "8 MiBs" is no size within bounds; write it like 64KiB or 16MiB',
      'f.yaml:13:15: ingest.window.max_rows: must be at least ingest.batch.max_rows',
      'f.yaml:15:11: scheduler.verify: is no cron expression; expected five fields "minute hour day month weekday" (or six with seconds)',
      'f.yaml:16:1: http: duplicate key "http": it stands at line 7 already',
    ]);
  });

  test('as one FieldwatchError with the faults as data', () => {
    const error = refusal(TEN);
    expect(error).toBeInstanceOf(FieldwatchError);
    expect(error).toMatchObject({ code: 'CONFIG_INVALID', kind: 'config' });
    expect(error.faults[0]).toEqual({
      file: 'f.yaml',
      line: 2,
      column: 3,
      path: 'mqtt.ulr',
      message: 'unknown key "ulr"; did you mean "url"?',
    });
  });

  test('bounds between keys are checked too', () => {
    expect(lines('ingest:\n  window:\n    max_rows: 10\nmqtt:\n  reconnect: { min: 1m }\n')).toEqual([
      'f.yaml:3:15: ingest.window.max_rows: must be at least ingest.batch.max_rows',
      'f.yaml:5:21: mqtt.reconnect.min: must not be longer than max',
    ]);
  });
});

describe('unknown keys', () => {
  test.each([
    ['mqqt: {}', 'f.yaml:1:1: mqqt: unknown key "mqqt"; did you mean "mqtt"?'],
    ['mqtt: { clientId: x }', 'f.yaml:1:9: mqtt.clientId: unknown key "clientId"; did you mean "client_id"?'],
    [
      'sensors: { declare: { a.b: { tag: x } } }',
      'f.yaml:1:30: sensors.declare["a.b"].tag: unknown key "tag"; did you mean "tags"?',
    ],
    ['log: { zzz: 1 }', 'f.yaml:1:8: log.zzz: unknown key "zzz"; known: level, format, alert_log'],
    [
      'log: { __proto__: 1 }',
      'f.yaml:1:8: log.__proto__: unknown key "__proto__"; known: level, format, alert_log',
    ],
    ['log: { <<: {} }', 'f.yaml:1:8: log["<<"]: unknown key "<<"; known: level, format, alert_log'],
  ])('%s', (text, expected) => {
    expect(lines(text)).toEqual([expected]);
  });
});

describe('routes', () => {
  test('each fault stands at its key, inside lists and alternatives too', () => {
    const text = `routes:
  - topic: sensors/{device
  - topc: a/{device}
  - topic: a/{device}
    fields: { temperature: { path: t, unit: Fahr }, humidity: 3 }
    time: { unit: sec, pth: /a }
limits: { max_payload: 20MiB }
`;
    expect(lines(text).map((line) => line.split(': ', 2).join(': '))).toEqual([
      'f.yaml:2:12: routes[0].topic',
      'f.yaml:3:5: routes[1].topc',
      'f.yaml:3:5: routes[1].topic',
      'f.yaml:5:45: routes[2].fields.temperature.unit',
      'f.yaml:5:63: routes[2].fields.humidity',
      'f.yaml:6:19: routes[2].time.unit',
      'f.yaml:6:24: routes[2].time.pth',
      'f.yaml:7:24: limits.max_payload',
    ]);
  });
});

describe('YAML itself', () => {
  test.each([
    ['a: [1,\nb', 'f.yaml:2:1: YAML syntax: a character is missing here'],
    ['mqtt:\n\turl: x', 'f.yaml:2:1: YAML syntax: a tab: indent with spaces'],
    ['http: *gone', 'f.yaml:1:7: alias *gone has no anchor before it'],
    ['log: &a { level: *a }', 'f.yaml:1:18: an alias contains itself'],
    ['http: {}\n---\nlog: {}', 'f.yaml:2:1: YAML syntax: a second document'],
    ['? [a]\n: 1', 'f.yaml:1:3: YAML syntax: a key must be text'],
    ['- a list', 'f.yaml:1:1: expected sections (key: value) at the top'],
    ['mqtt: { username: "a\\qb" }', 'f.yaml:1:21: YAML syntax: an unknown escape sequence'],
  ])('%j', (text, expected) => {
    expect(lines(text)).toContainEqual(expect.stringContaining(expected));
  });

  test('after a syntax error only what stands above it is checked', () => {
    const found = lines('http: { port: x }\nlog:\n  level: info\n format: json\nmqtt: { nonsense: 1 }\n');
    expect(found[0]).toBe('f.yaml:1:15: http.port: expected a number, got text');
    expect(found[1]).toContain('YAML syntax');
    expect(found.join('\n')).not.toContain('nonsense');
  });

  test('an alias bomb costs a fault, not the memory', () => {
    const names = 'abcdefghij'.split('');
    const bomb = names.map((name, index) => {
      const items = index === 0 ? Array(10).fill('x') : Array(10).fill(`*${names[index - 1]}`);
      return `${name}: &${name} [${items.join(', ')}]`;
    });
    // Written out it would be ten thousand million values: no machine gets to the end of them.
    expect(lines(bomb.join('\n'))).toContainEqual(
      expect.stringContaining('aliases stand for more than 10000 values'),
    );
  });

  test('nesting without end costs a fault', () => {
    expect(lines(`routes: ${'['.repeat(5000)}`)[0]).toMatch(/nested|YAML syntax/);
  });

  test('an anchored value is checked where it stands', () => {
    expect(lines('sensors:\n  declare:\n    a: &x { tag: t }\n    b: *x\n')).toEqual([
      'f.yaml:3:13: sensors.declare.a.tag: unknown key "tag"; did you mean "tags"?',
      'f.yaml:3:13: sensors.declare.b.tag: unknown key "tag"; did you mean "tags"?',
    ]);
  });
});

describe('secrets stay out of the faults', () => {
  const SECRET = 'hunter2-Sup3r';
  test.each([
    ['a number as password', `mqtt: { password: 12345678 }`, '12345678'],
    ['a URL of another scheme', `database: { url: "http://u:${SECRET}@h/d" }`, SECRET],
    ['no URL at all', `database: { url: "u:${SECRET}@h" }`, SECRET],
    ['credentials in the broker URL', `mqtt: { url: "mqtt://u:${SECRET}@h" }`, SECRET],
    ['a password in the syntax error', `mqtt: { password: "${SECRET}\nlog: {}`, SECRET],
    ['a stray quote', `mqtt:\n  password: "${SECRET}" "${SECRET}"\n`, SECRET],
    ['the password where a duration belongs', `mqtt: { password: ${SECRET}, keepalive: ${SECRET} }`, SECRET],
  ])('%s', (_, text, secret) => {
    const error = refusal(text);
    expect(JSON.stringify([error.message, error.faults, error.stack])).not.toContain(secret);
  });
});

describe('alerts_file', () => {
  const main = 'alerts_file: rules.yaml\nhttp: { prot: 1 }\n';
  const withRules = (rules: string) => ({ file: '/etc/fw/f.yaml', readFile: () => rules });

  test('its faults stand beside those of the main file, each with its own file and position', () => {
    const rules = 'alerts:\n  metrics:\n    a: { maxx: 1, for: soon }\n  metrics: {}\n';
    expect(lines(main, withRules(rules))).toEqual([
      '/etc/fw/f.yaml:2:9: http.prot: unknown key "prot"; did you mean "port"?',
      '/etc/fw/rules.yaml:3:10: alerts.metrics.a.maxx: unknown key "maxx"; did you mean "max"?',
      expect.stringContaining('/etc/fw/rules.yaml:3:24: alerts.metrics.a.for: "soon" is no duration'),
      '/etc/fw/rules.yaml:4:3: alerts.metrics: duplicate key "metrics": it stands at line 2 already',
    ]);
  });

  test('it may do without the alerts key', () => {
    expect(lines('alerts_file: rules.yaml', withRules('metrics: {}\nmetrics: {}\n'))).toEqual([
      '/etc/fw/rules.yaml:2:1: alerts.metrics: duplicate key "metrics": it stands at line 1 already',
    ]);
  });

  test('nothing else may stand in it, and the rules may not stand in two places', () => {
    expect(lines('alerts_file: rules.yaml', withRules('alerts: {}\nhttp: {}\n'))).toEqual([
      '/etc/fw/rules.yaml:2:1: http: only alerts can stand in an alerts_file',
    ]);
    expect(lines('alerts: {}\nalerts_file: rules.yaml', withRules(''))).toEqual([
      '/etc/fw/f.yaml:2:1: alerts_file: stands beside alerts: give the rules in one of the two',
    ]);
  });
});

describe('overrides that meet in declared sensors', () => {
  const MEETING = `mqtt: { keepalive: never }
sensors: { declare: { n1: { type: probe, location: attic, tags: [cold] }, n2: { type: probe } } }
alerts:
  metrics: { temperature: { max: 30 } }
  overrides:
    - { type: probe, metrics: { temperature: { min: 10 } } }
    - { location: attic, metrics: { "*": { hysteresis: 1 } } }
    - { tag: cold, metrics: { temperature: { max: 8 } } }
`;

  test('are a fault where they exclude each other, whatever else is at fault', () => {
    expect(lines(MEETING)).toEqual([
      expect.stringMatching(/^f\.yaml:1:20: mqtt\.keepalive: /),
      'f.yaml:6:53: alerts.overrides[0].metrics.temperature.min: temperature: min 10 is above max 8 ' +
        'where type probe and location attic and tag cold meet: sensor n1',
    ]);
  });

  test('are none where they do not meet, and wait for the faults of the rules themselves', () => {
    const fine = MEETING.replace('never', '30s').replace(', tags: [cold]', '');
    expect(loadConfig({ file: 'f.yaml', text: fine, env: {} }).config.alerts.overrides).toHaveLength(3);
    const faulty = MEETING.replace('never', '30s').replace('max: 30', 'max: 5, min: 7');
    expect(lines(faulty).every((line) => !line.includes(' meet'))).toBe(true);
  });
});
