import { describe, expect, test } from '@jest/globals';
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
  ['http: { host: 0.0.0.0 }', /http.host is 0.0.0.0/],
  ['http: { host: "::" }', /http.host is ::/],
  ['embedded: { mqtt_host: 0.0.0.0 }', /embedded.mqtt_host .* no password/],
])('%s is open to the network, and that is said', (text, expected) => {
  expect(warnings(text)).toEqual([expect.stringMatching(expected)]);
});

test('a port that is closed, or a broker of another, is not', () => {
  expect(warnings('http: { enabled: false, host: 0.0.0.0 }')).toEqual([]);
  expect(warnings('mqtt: { url: "mqtt://localhost" }\nembedded: { mqtt_host: 0.0.0.0 }')).toEqual([]);
});
