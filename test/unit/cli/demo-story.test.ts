import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect, test } from '@jest/globals';
import { configInForce, withFreePort, withRoute, withSink, withStory } from '../../../src/cli/demo/story.ts';
import { demoFolderFor } from '../../../src/cli/demo/folder.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { unsentOf } from '../../../src/queries/past-notifications.ts';

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

test('while the demo runs, its sinks and sensors are those of the configuration; the sensors are called as an operator would', () => {
  const sinks = (text: string, folderOf: (folder: string) => string) =>
    configInForce(loadConfig({ text, file: 'demo', env: {} }).config, folderOf).notify.sinks.map(
      ({ name }) => name,
    );
  expect(sinks('{}', demoFolderFor)).toEqual(['broker', 'on-call']);
  expect(sinks('{}', (folder) => folder)).toEqual([]);
  expect(sinks('database: { url: "postgres://u@db/d" }', demoFolderFor)).toEqual([]);
  const { declare } = configInForce(given(0), demoFolderFor).sensors;
  expect(Object.values(declare).map(({ name }) => name)).toEqual(['Freezer 1', 'Cellar', 'Warehouse 1']);
});

test('what was not sent says why: also an end, whose firing no sink had', () => {
  const [firing, end] = [{ event: 'firing' }, { event: 'resolved' }] as const;
  const inhibited = { ...firing, suppressed: 'inhibition' } as const;
  const why = (...all: Parameters<typeof unsentOf>[0]) => all.map(unsentOf(all));
  expect(why(firing, end)).toEqual([null, null]);
  expect(why(inhibited, end)).toEqual(['inhibition', 'inhibition']);
  expect(why(inhibited, firing, end)).toEqual(['inhibition', null, null]);
});

test('the simulated sensors are stored, whatever routes the configuration has', () => {
  const topics = (text: string) =>
    withRoute(loadConfig({ text, file: 'demo', env: {} }).config).routes.map(({ topic }) => topic);
  const own = 'sensors/{location}/{device}/readings';
  expect(topics('{}')).toEqual([own]);
  expect(topics('routes: [{ topic: "home/{device}", codec: json }]')).toEqual(['home/{device}', own]);
  expect(topics(`routes: [{ topic: "${own}", codec: json }]`)).toEqual([own]);
  expect(topics('mqtt: { url: "mqtt://localhost" }')).toEqual([]);
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
