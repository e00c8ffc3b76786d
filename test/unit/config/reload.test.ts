import { expect, test } from '@jest/globals';
import { loadConfig } from '../../../src/config/load.ts';
import { diffReloadable } from '../../../src/config/reload.ts';

const load = (text: string) => loadConfig({ text, env: {}, hostname: 'pi' }).config;

const BASE = 'mqtt: { keepalive: 30s }\nroutes: [{ topic: "a/{device}", codec: json }]\n';

test.each([
  ['nothing', BASE, [], []],
  ['a value written otherwise', BASE.replace('30s', '30000ms'), [], []],
  ['routes', BASE.replace('a/', 'b/'), ['routes'], []],
  ['sensors', `${BASE}sensors: { allow: ["x*"] }`, ['sensors'], []],
  ['a connection', BASE.replace('30s', '1m'), [], ['mqtt.keepalive']],
  [
    'both',
    `${BASE}sensors: { registration: reject }\nhttp: { port: 1, host: "::1" }`,
    ['sensors'],
    ['http.host', 'http.port'],
  ],
])('diffReloadable: %s', (_, text, reloadable, needsRestart) => {
  expect(diffReloadable(load(BASE), load(text))).toEqual({ reloadable, needsRestart });
});
