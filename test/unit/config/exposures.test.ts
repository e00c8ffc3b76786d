import { describe, expect, test } from '@jest/globals';
import { ConfigError, formatFault } from '../../../src/config/fault.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { warningsOf } from '../../../src/config/warnings.ts';

const ROUTES = 'routes: [{ topic: "a/{device}", codec: json }]';
const warnings = (text: string) => warningsOf(loadConfig({ text: `${ROUTES}\n${text}`, env: {} }).config);

describe('a connection to another machine in clear text is warned of', () => {
  test.each([
    ['postgres://fw:pw@db.example/fw', 1],
    ['postgres://fw@10.0.0.7/fw?sslmode=disable', 1],
    ['postgres://fw@localhost,db.example/fw', 1],
    ['postgres:///fw?host=db.example', 1],
    ['postgres://fw@db.example/fw?sslmode=require', 0],
    ['postgres://fw@db.example/fw?sslmode=verify-full', 0],
    ['postgres://fw@localhost/fw', 0],
    ['postgres://fw@127.0.0.1/fw', 0],
    ['postgres://fw@[::1]/fw', 0],
    ['postgres:///fw?host=/run/postgresql', 0],
    ['postgres:///fw', 0],
  ])('database.url %s: %d', (url, count) => {
    const found = warnings(`database: { url: "${url}" }`);
    expect(found).toEqual(count === 0 ? [] : [expect.stringContaining('sslmode=verify-full')]);
  });

  test.each([
    ['mqtt://broker.example', 'username: u, password: p', 1],
    ['ws://broker.example', 'username: u, password: p', 1],
    ['mqtt://broker.example', 'username: u', 0],
    ['mqtts://broker.example', 'username: u, password: p', 0],
    ['wss://broker.example', 'username: u, password: p', 0],
    ['mqtt://127.0.0.1', 'username: u, password: p', 0],
    ['mqtt://[::1]', 'username: u, password: p', 0],
  ])('mqtt.url %s, %s: %d', (url, login, count) => {
    const found = warnings(`mqtt: { url: "${url}", ${login} }`);
    expect(found).toEqual(count === 0 ? [] : [expect.stringContaining('mqtts://')]);
  });
});

test.each([
  ['http: { host: 0.0.0.0, api: false }', /http.host is 0.0.0.0/],
  ['http: { host: "::", api: false }', /http.host is ::/],
  ['embedded: { mqtt_host: 0.0.0.0 }', /embedded.mqtt_host .* no password/],
])('%s is open to the network, and that is said', (text, expected) => {
  expect(warnings(text)).toEqual([expect.stringMatching(expected)]);
});

test('tokens that cross the network in clear text are warned of', () => {
  const load = (http: string) =>
    warningsOf(loadConfig({ text: `${ROUTES}\nhttp: { ${http} }`, env: {}, readFile: () => 'x' }).config);
  const open = 'host: 0.0.0.0, token_file: /t';
  expect(load(open)).toEqual([expect.stringMatching(/http.host/), expect.stringMatching(/clear text/)]);
  for (const guarded of ['tls: { cert_file: /c, key_file: /k }', 'trusted_proxies: [10.0.0.1]'])
    expect(load(`${open}, ${guarded}`)).toEqual([expect.stringMatching(/http.host/)]);
  expect(load('token_file: /t')).toEqual([]);
});

describe('an API that is open to the network without tokens is refused', () => {
  const faults = (http: string) => {
    try {
      loadConfig({ text: `http: { ${http} }`, env: {}, readFile: () => 'x' });
      return [];
    } catch (error) {
      return (error as ConfigError).faults.map(formatFault);
    }
  };

  test.each(['0.0.0.0', '192.168.1.7', '::', 'fieldwatch.example', '127.evil.example'])('on %s', (host) => {
    expect(faults(`host: "${host}"`)).toEqual([
      expect.stringMatching(
        /^.*1:15: http.host: leads beyond this machine.*http.token_file.*http.api: false/,
      ),
    ]);
    for (const more of ['api: false', 'enabled: false', 'token_file: /t'])
      expect(faults(`host: "${host}", ${more}`)).toEqual([]);
  });

  test.each(['127.0.0.1', '127.0.0.2', '::1', 'localhost'])('not on %s', (host) => {
    expect(faults(`host: "${host}"`)).toEqual([]);
  });
});

test.each([
  ['allowed_hosts: ["a.example", "*.b.example", "10.0.0.1"]', 0],
  ['allowed_hosts: ["http://a.example"]', 1],
  ['allowed_hosts: ["a.example:80"]', 1],
  ['allowed_hosts: ["*"]', 1],
  ['trusted_proxies: [10.0.0.1, 10.0.0.0/8, "fd00::/8", "::1"]', 0],
  ['trusted_proxies: [10.0.0.0/33]', 1],
  ['trusted_proxies: [proxy.example]', 1],
  ['base_path: /a/b', 0],
  ['base_path: a', 1],
  ['base_path: "/a?b"', 1],
  ['base_path: "//evil"', 1],
])('http: { %s }: %d faults', (http, count) => {
  const load = () => loadConfig({ text: `http: { ${http} }`, env: {} });
  if (count === 0) expect(load).not.toThrow();
  else expect(load).toThrow(ConfigError);
});

test('a port that is closed, or a broker of another, is not', () => {
  expect(warnings('http: { enabled: false, host: 0.0.0.0 }')).toEqual([]);
  expect(warnings('mqtt: { url: "mqtt://localhost" }\nembedded: { mqtt_host: 0.0.0.0 }')).toEqual([]);
});
