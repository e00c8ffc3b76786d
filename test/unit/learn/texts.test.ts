import { expect, test } from '@jest/globals';
import { learnFrom, routesOf } from '../../support/learning.ts';
import { feed, plain, routerOf } from '../../support/routes.ts';

test.each<[string, string, object]>([
  ['pairs', 'T=9,H=80', { T: 9, H: 80 }],
  ['pairs with colons', 'Temp: 21.5 Hum: 45', { temperature: 21.5, humidity: 45 }],
  ['a header', 'temp;hum\n21,5;45', { temperature: 21.5, humidity: 45 }],
  ['columns', '2026-01-15 12:00:00,21.5,45', { column_2: 21.5, column_3: 45 }],
])('text that holds numbers: %s', (_, payload, metrics) => {
  const messages = ['a', 'b'].map((device) => ({ topic: `text/${device}/data`, payload }));
  const learned = learnFrom(messages);
  expect(learned.notPlaced).toEqual([]);
  expect(learned.routes.flatMap((route) => route.devices)).toEqual(['a', 'b']);
  expect(plain(feed(routerOf(routesOf(learned)), messages[0]!))).toMatchObject([{ device: 'a', metrics }]);
});

test.each(['online', 'a, b', 'Hello, world', 'ready: yes'])('text that measures nothing: %s', (payload) => {
  expect(learnFrom([{ topic: 'text/a/data', payload }]).routes).toEqual([]);
});
