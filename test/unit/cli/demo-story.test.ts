import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect, test } from '@jest/globals';
import { withFreePort, withSink, withStory } from '../../../src/cli/demo-story.ts';
import { loadConfig } from '../../../src/config/load.ts';

const given = (port: number) => loadConfig({ text: `http: { port: ${port} }`, file: 'demo', env: {} }).config;

test('where another program has the port of the page, another one is taken', async () => {
  const other = createServer();
  other.listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  expect((await withFreePort(given(port))).http.port).toBe(0);
  other.close();
  await once(other, 'close');
  expect((await withFreePort(given(port))).http.port).toBe(port);
});

test('the sensors of the story have their rules and names, and those of the configuration stay', () => {
  const config = given(0);
  const { alerts, sensors } = withStory(config);
  expect(alerts.overrides.slice(0, config.alerts.overrides.length)).toEqual(config.alerts.overrides);
  expect(alerts.overrides.map(({ location }) => location)).toEqual(
    expect.arrayContaining(['kitchen', 'cellar']),
  );
  expect(Object.keys(sensors.declare)).toContain('freezer-01');
});

test('notifications go to the embedded broker, unless the configuration says where', () => {
  const { sinks, routes } = withSink(given(0)).notify;
  expect(sinks).toMatchObject([
    { name: 'broker', kind: 'mqtt', prefix: 'fieldwatch/alerts' },
    { name: 'on-call', kind: 'mqtt', prefix: 'fieldwatch/on-call' },
  ]);
  expect(routes).toMatchObject([{ to: ['broker'], escalate: [{ to: ['on-call'] }] }]);
  const of = (text: string) => withSink(loadConfig({ text, file: 'demo', env: {} }).config).notify.sinks;
  expect(
    of('notify: [{ name: hook, kind: webhook, url: "http://localhost" }]').map(({ name }) => name),
  ).toEqual(['hook']);
  expect(of('mqtt: { url: "mqtt://localhost" }')).toEqual([]);
});
