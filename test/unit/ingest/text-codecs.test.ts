import { describe, expect, test } from '@jest/globals';
import { RECEIVED_AT, feed, plain, routerOf } from '../../support/routes.ts';

const NOW_US = Date.parse(RECEIVED_AT) * 1000;

function read(route: object, payload: string): unknown {
  const decoded = plain(feed(routerOf([{ topic: 'sensors/{device}', ...route }]), { payload }));
  return Array.isArray(decoded) ? decoded.map((one: { metrics: unknown }) => one.metrics) : decoded;
}

describe('csv', () => {
  const csv = (options: object, payload: string, route: object = {}) =>
    read({ codec: 'csv', csv: options, ...route }, payload);

  test.each<[string, object, string, unknown]>([
    ['columns', { columns: ['temp', 'hum'] }, '21.5,45', [{ temperature: 21.5, humidity: 45 }]],
    ['a header', { header: true }, 'temp,hum\r\n21.5,45\r\n', [{ temperature: 21.5, humidity: 45 }]],
    ['decimal comma', { columns: ['a', 'b'], decimal: ',' }, '21,5;-0,5', [{ a: 21.5, b: -0.5 }]],
    ['blanks', { columns: ['a', 'b', 'c'], separator: ' ' }, '  1   2\t3  \n', [{ a: 1, b: 2, c: 3 }]],
    ['tabs', { columns: ['a', 'b'], separator: '\t' }, '1\t2', [{ a: 1, b: 2 }]],
    ['quotes', { header: true }, '"a ""x"", y",b\n"1",2', [{ 'a "x", y': 1, b: 2 }]],
    ['a column left out', { columns: ['a', null, 'b'] }, '1,2,3', [{ a: 1, b: 3 }]],
    ['a cell that is empty', { columns: ['a', 'b'] }, ',2', [{ b: 2 }]],
    ['leading zeros', { columns: ['a'] }, '00000022.6', [{ a: 22.6 }]],
    ['text beside', { columns: ['$SAMPLE', 'a'] }, '$SAMPLE,27.65', [{ a: 27.65 }]],
    ['only a header', { header: true }, 'a,b', 'no_metrics'],
    ['no number', { columns: ['a'] }, 'x', 'no_metrics'],
  ])('%s', (_, options, payload, wanted) => expect(csv(options, payload)).toEqual(wanted));

  test('times, devices and further rows', () => {
    const router = routerOf([
      {
        topic: 'up',
        codec: 'csv',
        csv: { columns: ['device', 'ts', 'a'] },
        where: { '/device': ['007', '8'] },
      },
    ]);
    const payload = '007,1768478399,1\n8,1768478400,2\n9,1768478400,3';
    expect(plain(feed(router, { topic: 'up', payload }))).toEqual([
      { device: '007', time: NOW_US - 1_000_000, metrics: { a: 1 } },
      { device: '8', time: NOW_US, metrics: { a: 2 } },
    ]);
  });

  test('a number without a column is counted', () => {
    const router = routerOf([{ topic: 'sensors/{device}', codec: 'csv', csv: { columns: ['a'] } }]);
    expect(feed(router, { payload: '1,2' })).toMatchObject({ dropped: 1 });
  });

  test.each<[object, RegExp]>([
    [{}, /columns/],
    [{ csv: { header: false } }, /columns/],
    [{ csv: { columns: ['a'], separator: ',', decimal: ',' } }, /differ/],
  ])('%j is a fault', (route, message) => {
    expect(() => routerOf([{ topic: 'x/{device}', codec: 'csv', ...route }])).toThrow(message);
  });
});

describe('pattern', () => {
  const pairs = {
    codec: 'pattern',
    pattern: '(?P<name>[A-Za-z]+) *[=:] *(?P<value>[-+]?[0-9.]+)',
    pivot: { items: '', name: '/name', value: '/value' },
  };
  test.each<[string, object, string, unknown]>([
    [
      'groups',
      { codec: 'pattern', pattern: 'T=(?P<temp>[0-9.]+),H=(?<hum>[0-9]+)' },
      'T=9,H=80',
      [{ temperature: 9, humidity: 80 }],
    ],
    [
      'a group that is not there',
      { codec: 'pattern', pattern: 'T=(?P<t>[0-9]+)(?:,H=(?P<h>[0-9]+))?' },
      'T=9',
      [{ t: 9 }],
    ],
    ['pairs', pairs, 'Temp: 21.5, Hum=45', [{ temperature: 21.5, humidity: 45 }]],
    ['every line', pairs, 'a=1\nb=2\r\nc=x', [{ a: 1, b: 2 }]],
    [
      'units behind',
      { codec: 'pattern', pattern: 'temp \\[deg\\] (?P<temperature>[0-9.]+)' },
      'stamp [sec] 0000011214.465 , temp [deg] 00000022.6',
      [{ temperature: 22.6 }],
    ],
    ['no match', { codec: 'pattern', pattern: '(?P<a>[0-9]+)' }, 'online', 'parse_error'],
  ])('%s', (_, route, payload, wanted) => expect(read(route, payload)).toEqual(wanted));

  test.each<[string | undefined, RegExp]>([
    [undefined, /named groups/],
    ['T=([0-9]+)', /no named group/],
    ['(?P<a>[0-9', /cannot be read/],
    ['(?P<a>x)(?=y)', /cannot be read/],
    [`(?P<a>${'x'.repeat(1000)})`, /at most 1000/],
  ])('%s is a fault', (pattern, message) => {
    expect(() => routerOf([{ topic: 'x/{device}', codec: 'pattern', pattern }])).toThrow(message);
  });

  test('the work on one message is bounded, whatever matches', () => {
    const route = { codec: 'pattern', pattern: '(?P<a>x)[^q]*q|(?P<b>x)' };
    expect(read(route, 'x'.repeat(5000))).toBe('too_large');
    expect(read(route, 'x'.repeat(100))).toBe('no_metrics');
  });
});

describe('columns of one name', () => {
  const read = (csv: object, payload: string): unknown =>
    plain(feed(routerOf([{ codec: 'csv', topic: 't/{device}', csv }]), { topic: 't/a', payload }));

  test('of a header are numbered: none of their values is lost', () => {
    expect(read({ header: true }, 'temperature,temperature,h,temperature\n20,40,1,60')).toEqual([
      expect.objectContaining({ metrics: { temperature: 20, temperature_2: 40, h: 1, temperature_3: 60 } }),
    ]);
  });

  test('of the configuration are a fault', () => {
    expect(() => read({ columns: ['a', null, null, 'a'] }, '1,2,3,4')).toThrow(/is there twice/);
  });
});

describe('names of line protocol', () => {
  const read = (route: object, payload: string): unknown =>
    plain(
      feed(routerOf([{ codec: 'line-protocol', topic: 't', device_tag: 'host', ...route }]), {
        topic: 't',
        payload,
      }),
    );

  test('from measurement, tags and field; a tag that is not there is left out with its separator', () => {
    const payload = 'cpu,host=a,cpu=cpu0 idle=1,user=2\nmem,host=a used=5i';
    expect(read({ metric: '{measurement}.{cpu}.{field}' }, payload)).toEqual([
      expect.objectContaining({ metrics: { 'cpu.cpu0.idle': 1, 'cpu.cpu0.user': 2, 'mem.used': 5 } }),
    ]);
    expect(read({}, payload)).toEqual([expect.objectContaining({ metrics: { idle: 1, user: 2, used: 5 } })]);
  });

  test('without {field} they would be one', () => {
    expect(() => read({ metric: '{measurement}' }, 'a,host=b c=1')).toThrow(/need \{field\}/);
  });
});
