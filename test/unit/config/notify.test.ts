import { describe, expect, test } from '@jest/globals';
import { ConfigError } from '../../../src/config/fault.ts';
import { type LoadOptions, loadConfig } from '../../../src/config/load.ts';
import { printConfig } from '../../../src/config/print.ts';

const SECRET = 'hunter2-Sup3r';
const ROUTES = 'routes: [{ topic: "a/{device}", codec: json }]\n';
const load = (notify: string, options: LoadOptions = {}) =>
  loadConfig({
    file: '/etc/fw/f.yaml',
    text: `${ROUTES}notify:\n  ${notify.trim()}\n`,
    env: {},
    hostname: 'pi',
    readFile: () => `${SECRET}\n`,
    ...options,
  });
const faults = (notify: string, options?: LoadOptions) => {
  try {
    load(notify, options);
  } catch (error) {
    if (error instanceof ConfigError) return error.faults.map(({ path, message }) => `${path}: ${message}`);
    throw error;
  }
  return [];
};
const HOOK = 'name: ops, kind: webhook, url: "https://x.example/h"';

describe('secrets of a sink', () => {
  test('come from a file beside the configuration', () => {
    const { config } = load(`- { ${HOOK}, secret_file: key, token_file: /t }`);
    expect(config.notify.sinks[0]).toMatchObject({
      secret: SECRET,
      secret_file: '/etc/fw/key',
      token: SECRET,
    });
  });

  test('come from the environment, which wins over the file', () => {
    const env = { FIELDWATCH_NOTIFY_OPS_TOKEN: SECRET };
    expect(load(`- { ${HOOK}, token_file: /t }`, { env }).config.notify.sinks[0]).toMatchObject({
      token: SECRET,
    });
    expect(load(`- { ${HOOK}, token_file: /t }`, { env }).config.notify.sinks[0]).not.toHaveProperty(
      'token_file',
    );
  });

  test('a url may be one', () => {
    expect(load('- { name: ops, kind: webhook, url_file: u }', { readFile: () => 'https://x.example/s\n' }).config.notify.sinks[0])
      .toMatchObject({ url: 'https://x.example/s' }); // prettier-ignore
  });

  test.each([
    '{ secret: S, token: S }',
    '{ secret_file: /k, token_file: /t }',
    '{ url: "https://x.example/S" }',
  ])('are never printed: %s', (keys) => {
    const more = keys.replaceAll('S', SECRET).slice(1, -1);
    const text = keys.includes('url') ? `- { name: ops, kind: webhook, ${more} }` : `- { ${HOOK}, ${more} }`;
    for (const options of [{}, { json: true }, { sources: true }])
      expect(printConfig(load(text), options)).not.toContain(SECRET);
  });

  test.each([
    '{ kind: ntfy, topic: S }',
    '{ kind: ntfy, topic_file: /t }',
    '{ kind: ntfy, topic: a, url: "https://S@ntfy.example" }',
    '{ kind: ntfy, topic: a, url: "https://ntfy.example/?auth=S" }',
    '{ kind: alertmanager, url: "https://am.example/api?token=S" }',
    '{ kind: alertmanager, url: "https://u:S@am.example" }',
    '{ kind: webhook, url: "https://x.example/h", headers: { X-Team: S } }',
    '{ kind: smtp, host: h, from: a@example.org, to: [b@example.org], username: u, password: S }',
  ])('of every kind are never printed: %s', (sink) => {
    const text = `- ${sink.replaceAll('S', SECRET).replace('{', '{ name: ops,')}`;
    for (const options of [{}, { json: true }, { sources: true }]) {
      expect(printConfig(load(text), options)).not.toContain(SECRET);
      expect(printConfig(load(text), options)).toContain('***');
    }
  });

  test('the topic of ntfy comes from a file or the environment, and is needed', () => {
    const env = { FIELDWATCH_NOTIFY_OPS_TOPIC: SECRET };
    expect(load('- { name: ops, kind: ntfy }', { env }).config.notify.sinks[0]).toMatchObject({
      topic: SECRET,
    });
    expect(load('- { name: ops, kind: ntfy, topic_file: t }').config.notify.sinks[0]).toMatchObject({
      topic: SECRET,
    });
    expect(faults('- { name: ops, kind: ntfy }')).toEqual([
      'notify[0].topic: is missing: give topic or topic_file',
    ]);
  });

  test('a fault beside a secret does not quote it', () => {
    const given = faults(`- { name: ops, kind: ntfy, topic: "${SECRET}/x", tokn: "${SECRET}" }`);
    expect(given.length).toBeGreaterThan(0);
    expect(given.join()).not.toContain(SECRET);
  });

  test('a variable that no sink reads is a fault', () => {
    const env = { FIELDWATCH_NOTIFY_OTHER_TOKEN: 'x', FIELDWATCH_NOTIFY_OPS_TIMEOUT: '3s' };
    expect(faults(`- { ${HOOK} }`, { env })).toHaveLength(2);
  });
});

test.each([
  ['- { name: Ops, kind: webhook, url: "https://x" }', 'notify[0].name: must be lower-case'],
  ['- { name: ops, kind: pager }', 'notify[0].kind: kind is not one of'],
  ['- { name: ops, kind: webhook }', 'notify[0].url: is missing: give url or url_file'],
  [`- { ${HOOK}, tokn: x }`, 'notify[0].tokn: unknown key "tokn"; did you mean "token"'],
  [`- { ${HOOK} }\n  - { ${HOOK} }`, 'notify[1].name: "ops" is taken by another sink'],
  [`- { ${HOOK}, token: a, username: b }`, 'notify[0].username: stands beside token'],
  [`- { ${HOOK}, headers: { Authorization: x } }`, 'notify[0].headers.Authorization: is set by the sink itself'],
  [`- { ${HOOK}, headers: { x: "a\\r\\nb" } }`, 'notify[0].headers.x: must be printable ASCII'],
  [`- { ${HOOK}, labels: { "a-b": x } }`, 'notify[0].labels.a-b: is no label name'],
  ['- { name: am, kind: alertmanager }', 'notify[0].url: is missing'],
  ['- { name: n, kind: ntfy, topic: "a b" }', 'notify[0].topic: must be letters'],
  ['- { name: n, kind: ntfy, topic: a, title: "x {{senser}}" }', 'notify[0].title: at character 3: unknown placeholder "senser"'],
  ['- { name: m, kind: smtp, host: h, from: a, to: ["a@b"] }', 'notify[0].from: is no mail address'],
  ['- { name: m, kind: smtp, host: h, from: "A <a@b>", to: [] }', 'notify[0].to: must have at least 1 item'],
  ['- { name: m, kind: smtp, host: h, from: a@b, to: [a@b], username: u, tls: off }', 'notify[0].tls: must be required or implicit'],
  ['- { name: m, kind: mqtt, prefix: "a/#" }', 'notify[0].prefix: must be a topic without wildcards'],
  [`- { ${HOOK}, timeout: 0s }`, 'notify[0].timeout: "0s" is out of bounds'],
])('%s is refused', (text, message) => {
  expect(faults(text)).toEqual([expect.stringContaining(message)]);
}); // prettier-ignore
