import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { environmentKeys, environmentName } from '../../../src/config/environment.ts';
import { readTextFile } from '../../../src/lib/secret-file.ts';
import { jsonSchema } from '../../../src/config/json-schema.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { keyReferences, referenceTables } from '../../../src/config/reference.ts';
import { configSchema } from '../../../src/config/schema/index.ts';
import { warningsOf } from '../../../src/config/warnings.ts';
import { leaves } from '../../../src/config/walk.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');
const yamlFiles = readdirSync(join(root, 'config')).filter((name) => name.endsWith('.yaml'));

// What production.yaml names in /etc does not exist here.
const readFile = (path: string) => (path.startsWith('/etc/') ? 'x' : readTextFile(path));

describe('every file in config/', () => {
  test('is there', () => {
    expect(yamlFiles).toEqual(expect.arrayContaining(['alerts.yaml', 'fieldwatch.yaml', 'production.yaml']));
  });

  test.each(yamlFiles)('%s loads', (name) => {
    expect(() => loadConfig({ file: join(root, 'config', name), env: {}, readFile })).not.toThrow();
  });

  test.each(yamlFiles)('%s names the schema for editors', (name) => {
    const [first] = readFileSync(join(root, 'config', name), 'utf8').split('\n');
    expect(first).toBe('# yaml-language-server: $schema=./fieldwatch.schema.json');
  });

  // What is commented out in the default file is advice: it has to be right as well.
  test('the commented-out sections of fieldwatch.yaml load too', () => {
    const text = readFileSync(join(root, 'config/fieldwatch.yaml'), 'utf8')
      .replace(/^[^]*?(?=^routes:)/m, '')
      .split('\n')
      .map((line) => line.replace(/^# (?=(  )*(- |[a-z_]\w*: |[a-z_]\w*:$))/, ''))
      .join('\n');
    const { config } = loadConfig({
      file: join(root, 'config/fieldwatch.yaml'),
      text,
      env: {},
      readFile: (path) => (/(password|secret)$/.test(path) ? 'x' : readTextFile(path)),
    });
    expect(config.mqtt.url).toBe('mqtts://broker.example:8883');
    expect(config.log.alert_log).toBe('./alerts.log');
    expect(config.notify.routes).toHaveLength(4);
    expect(config.notify.times).toMatchObject({ nights: { tz: 'Europe/Berlin' } });
    expect(warningsOf(config)).toEqual([]);
  });
});

describe('what is generated from the schema is up to date (npm run config:schema)', () => {
  test('config/fieldwatch.schema.json', () => {
    const committed: unknown = JSON.parse(readFileSync(join(root, 'config/fieldwatch.schema.json'), 'utf8'));
    expect(committed).toEqual(JSON.parse(JSON.stringify(jsonSchema())));
  });

  test('a sink is in it once, wherever it may stand', () => {
    const text = JSON.stringify(jsonSchema());
    expect(text.split('"const":"pagerduty"')).toHaveLength(2);
    expect(text.split('{"$ref":"#/$defs/notify_sink"}')).toHaveLength(3);
  });

  test('the tables of docs/configuration.md', () => {
    const page = readFileSync(join(root, 'docs/configuration.md'), 'utf8');
    expect(page).toContain(`<!-- keys: begin -->\n\n${referenceTables()}\n<!-- keys: end -->`);
  });

  test('the keys of a sink are in them once, and its kind with all values', () => {
    const keys = keyReferences();
    expect(keys.filter(({ key }) => key.startsWith('notify.sinks'))).toMatchObject([
      { key: 'notify.sinks', description: 'where notifications go; each has the keys of notify[]' },
    ]);
    const kind = keys.find(({ key }) => key === 'notify[].kind');
    for (const value of ['"alertmanager"', '"webhook"']) expect(kind?.type).toContain(value);
  });
});

describe('the schema', () => {
  test('describes every key', () => {
    expect(
      keyReferences()
        .filter(({ description }) => description === '')
        .map(({ key }) => key),
    ).toEqual([]);
  });

  test('gives each environment variable to one key only', () => {
    const names = leaves(configSchema).map(({ path }) => environmentName(path));
    expect(new Set(names).size).toBe(names.length);
    expect([...environmentKeys(configSchema).keys()]).toEqual(
      expect.arrayContaining([
        'FIELDWATCH_DATABASE_URL',
        'FIELDWATCH_MQTT_TLS_CA_FILE',
        'FIELDWATCH_STATE_DIR',
      ]),
    );
  });
});
