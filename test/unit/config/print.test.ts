import { describe, expect, test } from '@jest/globals';
import { type LoadOptions, loadConfig } from '../../../src/config/load.ts';
import { printConfig } from '../../../src/config/print.ts';
import { redactUrl } from '../../../src/config/redact.ts';

const SECRET = 'hunter2-Sup3r';
const FULL = `
mqtt: { username: fw, password_file: /secret, keepalive: 1m }
database: { url: "postgres://fw:${SECRET}@db.example/fw?sslmode=require", password: ${SECRET} }
routes: [{ topic: "sensors/{device}", codec: json }]
sensors: { declare: { "lab/a.1": { tags: [cold] } } }
`;

const load = (options: LoadOptions = {}) =>
  loadConfig({
    file: '/etc/fw/f.yaml',
    text: FULL,
    env: { FIELDWATCH_LOG_LEVEL: 'warn' },
    hostname: 'pi',
    readFile: () => `${SECRET}\n`,
    ...options,
  });

describe('printConfig', () => {
  test.each([{}, { sources: true }, { json: true }, { json: true, sources: true }])(
    'shows no secret with %j',
    (options) => {
      const text = printConfig(load(), options);
      expect(text).not.toContain(SECRET);
      expect(text).toContain('***');
      expect(text).toContain('postgres://fw:***@db.example/fw?sslmode=require');
    },
  );

  test('says where each value comes from', () => {
    const lines = printConfig(load(), { sources: true }).split('\n');
    expect(lines).toContain('# file: /etc/fw/f.yaml (--config)');
    expect(lines).toContain('  keepalive: 1m # f.yaml:2');
    expect(lines).toContain('  level: warn # environment: FIELDWATCH_LOG_LEVEL');
    expect(lines).toContain('  connect_timeout: 10s # default');
    expect(lines).toContain('  client_id: fieldwatch-pi # default');
  });

  test('as JSON it has the same values and the sources by path', () => {
    const printed = JSON.parse(printConfig(load(), { json: true, sources: true }));
    expect(printed.file).toBe('/etc/fw/f.yaml');
    expect(printed.config.mqtt.keepalive).toBe('1m');
    expect(printed.config.log.level).toBe('warn');
    expect(printed.sources['mqtt.keepalive']).toBe('/etc/fw/f.yaml:2');
    expect(printed.sources['http.port']).toBe('default');
  });

  test('what is printed can be loaded again and means the same', () => {
    const text = 'mqtt: { keepalive: 1m }\nsensors: { declare: { "lab/a.1": { tags: [cold] } } }\n';
    const first = loadConfig({ text, env: {}, hostname: 'pi' });
    const again = loadConfig({ text: printConfig(first, { sources: true }), env: {}, hostname: 'other' });
    expect(again.config).toEqual(first.config);
  });

  test('the rules of an alerts_file are printed in place, with their own file', () => {
    const loaded = load({
      text: 'alerts_file: rules.yaml',
      readFile: () => 'alerts:\n  metrics: { a: { max: 1 } }\n',
    });
    const text = printConfig(loaded, { sources: true });
    expect(text).toContain('max: 1 # rules.yaml:2');
    expect(text).not.toContain('alerts_file');
  });
});

test.each([
  ['postgres://u:pw@h/d', 'postgres://u:***@h/d'],
  ['postgres://u:p@w@h/d', 'postgres://u:***@h/d'],
  ['postgres://h/d?user=u&password=pw&sslmode=require', 'postgres://h/d?user=u&password=***&sslmode=require'],
  ['mqtts://h:8883', 'mqtts://h:8883'],
  ['https://h/a:b@c', 'https://h/a:b@c'],
  ['plain text with a:b@c', 'plain text with a:b@c'],
])('redactUrl %s', (given, expected) => {
  expect(redactUrl(given)).toBe(expected);
});
