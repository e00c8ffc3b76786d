import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { learnFrom, routesOf } from '../../support/learning.ts';
import { type WatchedRoute, feed, routerOf } from '../../support/routes.ts';

// Captures of reported senders: what is printed decodes all of them, without merging or inventing devices.

const capture = (name: string): WatchedRoute[] =>
  readFileSync(new URL(`../../fixtures/captures/${name}.jsonl`, import.meta.url), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as WatchedRoute);

test.each<[string, string[], string[]]>([
  ['cloudevents', ['/sensors/a0', '/sensors/a1'], ['temperature']],
  ['enigma', ['W01', 'W02'], ['analog_in', 'temperature']],
  ['kepware', ['line1'], ['P.L1.Speed', 'P.L1.Temp']],
  ['neuron', ['modbus0', 'modbus1'], ['tag0']],
  ['omg433', ['Acurite-Tower/A/8623', 'Bresser-7in1/1272'], ['battery', 'humidity', 'rssi', 'temperature']],
  [
    'victron',
    [
      'c0619aba2ebd/battery/277',
      'c0619aba2ebd/solarcharger/42',
      'c0619aba2ebd/system/0',
      'c0619aba2ebd/vebus/276',
    ],
    ['Ac/Grid/L1/Power', 'Ac/Out/L1/P', 'Dc/Battery/Soc', 'Dc/Battery/Voltage', 'Pv/V', 'Soc', 'Yield/Power'],
  ],
  ['weewx', ['loop'], ['outHumidity', 'outTemp', 'usUnits', 'windSpeed_mph']],
])('%s', (name, devices, metrics) => {
  const messages = capture(name);
  const learned = learnFrom(messages);
  expect(learned.notPlaced).toEqual([]);
  const router = routerOf(routesOf(learned));
  const found = { devices: new Set<string>(), metrics: new Set<string>() };
  for (const message of messages) {
    const decoded = feed(router, message);
    if (decoded.kind === 'reject') {
      expect(['ignored', 'no_match']).toContain(decoded.code);
      continue;
    }
    expect(decoded.ambiguous ?? 0).toBe(0);
    for (const reading of decoded.readings) {
      found.devices.add(reading.device);
      for (const metric of reading.metrics.keys()) found.metrics.add(metric);
    }
  }
  expect([...found.devices].sort()).toEqual(devices);
  expect([...found.metrics].sort()).toEqual(metrics);
});

test('an id that numbers the messages is no device, and the topic names one', () => {
  const messages = [1, 2, 3, 4, 5].map((id) => ({
    topic: 'plant/press/data',
    payload: JSON.stringify({ id: `9aeb0fdf-c01e-0131-0922-00000000000${id}`, temperature: 20 + id }),
  }));
  expect(learnFrom(messages).routes.flatMap((route) => route.devices)).toEqual(['press']);
});

test('wmbusmeters: the meter, not the receiver', () => {
  const messages = ['1', '2', '1', '2'].map((id) => ({
    topic: 'wmbusmeters',
    payload: JSON.stringify({ media: 'water', meter: 'multical21', id, device: 'im871a[1]', total_m3: 5 }),
  }));
  expect(learnFrom(messages).routes.flatMap((route) => route.devices)).toEqual(['1', '2']);
});

/** One message of each topic and payload, `rounds` times, five seconds apart. */
const samples = (
  rounds: number,
  round: (n: number) => readonly (readonly [string, unknown])[],
): WatchedRoute[] =>
  Array.from({ length: rounds }, (_, n) => round(n))
    .flat()
    .map(([topic, payload], at) => ({
      topic,
      payload: typeof payload === 'string' ? payload : JSON.stringify(payload),
      received_at: new Date(Date.parse('2026-01-15T12:00:00Z') + at * 5000).toISOString(),
    }));

const ts = (n: number): string => `176847840${n}000000000`;

const at = (n: number): string => `2026-01-15T12:0${n}:00Z`;
const waterMeter = (id: string, n: number, device: string): object => ({
  _: 'telegram',
  media: 'cold water',
  meter: 'multical21',
  name: 'MyTapWater',
  id,
  total_m3: 6.4 + n,
  timestamp: at(n),
  device,
  rssi_dbm: -70 - n,
});
const WATER = ['rssi_dbm', 'total_m3'];

test.each<[string, WatchedRoute[], Record<string, string[]>]>([
  [
    'each device counts its own messages: the topic is the device',
    samples(4, (n) => [
      ['plant/a/data', { id: n, temperature: 20 + n }],
      ['plant/b/data', { id: n, temperature: 40 + n }],
    ]),
    { a: ['temperature'], b: ['temperature'] },
  ],
  [
    'a number for each message beside the name of the device',
    samples(6, (n) => [['gw/up', { id: 1000 + n, mac: n % 2 ? 'AA:01' : 'AA:02', temperature: n }]]),
    { 'AA:01': ['temperature'], 'AA:02': ['temperature'] },
  ],
  [
    'the first level says the quantity',
    samples(3, (n) => [
      ['temperature/kitchen', { value: 20 + n }],
      ['humidity/kitchen', { value: 40 + n }],
      ['temperature/hall', { value: 18 + n }],
    ]),
    { kitchen: ['humidity', 'temperature'], hall: ['temperature'] },
  ],
  [
    'a member says the quantity',
    samples(3, (n) => [
      ['m/dev1', { sensor: 'temperature', value: 20 + n }],
      ['m/dev1', { sensor: 'humidity', value: 40 + n }],
      ['m/dev2', { sensor: 'temperature', value: 22 + n }],
    ]),
    { dev1: ['humidity', 'temperature'], dev2: ['temperature'] },
  ],
  [
    'a member numbers the channel',
    samples(3, (n) => [
      ['m/dev1', { ch: 1, value: 20 + n }],
      ['m/dev1', { ch: 2, value: 40 + n }],
    ]),
    { dev1: ['1', '2'] },
  ],
  [
    'OPC UA PubSub: two writers in one message',
    samples(3, (n) => [
      [
        'opcua/json/data/P1/G1',
        {
          MessageId: `32235546-05d9-4fd7-97df-ea3ff340000${n}`,
          MessageType: 'ua-data',
          PublisherId: 'P1',
          Messages: [1, 2].map((writer) => ({
            DataSetWriterId: writer,
            SequenceNumber: n,
            Timestamp: `2026-01-15T12:0${n}:00Z`,
            Payload: { Temperature: { Value: writer * 30 + n } },
          })),
        },
      ],
    ]),
    { '1': ['temperature'], '2': ['temperature'] },
  ],
  [
    'Meshtastic: the node, not the gateway that passed it on',
    samples(3, (n) =>
      [1111, 2222].map((from) => [
        'msh/EU/2/json/LongFast/!a1',
        {
          from,
          id: 100_000 + 77 * n + from,
          payload: { temperature: n },
          sender: '!a1',
          timestamp: 1_768_478_400 + n,
        },
      ]),
    ),
    { '1111': ['payload_temperature'], '2222': ['payload_temperature'] },
  ],
  [
    'zwave-js-ui: value ids below names of nodes',
    samples(3, (n) => [
      ['zwave/Kitchen/Multi/49/0/Air_temperature', { time: 1_768_478_400_000 + n, value: 21 + n }],
      ['zwave/Hall/Multi/49/0/Air_temperature', { time: 1_768_478_400_000 + n, value: 31 + n }],
      ['zwave/Hall/Multi/50/1/value/66049', { time: 1_768_478_400_000 + n, value: 11.5 + n }],
    ]),
    { 'Kitchen/Multi': ['temperature'], 'Hall/Multi': ['50/1/value/66049', 'temperature'] },
  ],
  [
    'Telegraf: measurements and tags that have fields of one name',
    samples(3, (n) => [
      ['telegraf/w/cpu', `cpu,host=w,cpu=cpu0 idle=9${n} ${ts(n)}\ncpu,host=w,cpu=cpu1 idle=8${n} ${ts(n)}`],
      ['telegraf/w/mem', `mem,host=w used=5${n}i ${ts(n)}`],
      ['telegraf/w/swap', `swap,host=w used=1${n}i ${ts(n)}`],
    ]),
    { w: ['cpu_cpu0_idle', 'cpu_cpu1_idle', 'mem_used', 'swap_used'] },
  ],
  [
    'airRohr (sensor.community): pairs of a type and a text that is a number',
    samples(3, (n) =>
      ['esp1', 'esp2'].map((esp) => [
        `luftdaten/${esp}`,
        {
          esp8266id: esp,
          sensordatavalues: [
            { value_type: 'SDS_P1', value: `${5 + n}.5` },
            { value_type: 'temperature', value: '20.5' },
          ],
        },
      ]),
    ),
    { esp1: ['SDS_P1', 'temperature'], esp2: ['SDS_P1', 'temperature'] },
  ],
  [
    'a gateway and the sensors that it speaks for',
    samples(3, (n) => [
      ['x/up', { device: 'gw1', id: 's1', temperature: 20 + n }],
      ['x/up', { device: 'gw1', id: 's2', temperature: 40 + n }],
    ]),
    { s1: ['temperature'], s2: ['temperature'] },
  ],
  [
    'CloudEvents: the subject where one source has several',
    samples(3, (n) =>
      ['s1', 's2'].map((subject, at) => [
        'ce',
        {
          specversion: '1.0',
          id: `${subject}-${n}`,
          source: '/plant',
          subject,
          time: `2026-01-15T12:00:0${n}Z`,
          data: { temperature: 20 * at + n },
        },
      ]),
    ),
    { s1: ['temperature'], s2: ['temperature'] },
  ],
  [
    'registers of two slaves behind one gateway',
    samples(3, (n) => [
      ['mb/plc1', { slave: 1, register: 100, value: 5 + n }],
      ['mb/plc1', { slave: 1, register: 101, value: 50 + n }],
      ['mb/plc1', { slave: 2, register: 100, value: 500 + n }],
    ]),
    { '1': ['100', '101'], '2': ['100'] },
  ],
  // wmbusmeters, and other receivers of meters: the meter is the device, and not its receiver.
  [
    'wmbusmeters: two receivers that receive the same meters alternately',
    samples(4, (n) => [
      ['wmbusmeters', waterMeter('76348799', n, `im871a[0000000${n % 2}]`)],
      ['wmbusmeters', waterMeter('76348800', n, `im871a[0000000${(n + 1) % 2}]`)],
    ]),
    { '76348799': WATER, '76348800': WATER },
  ],
  [
    'wmbusmeters: a topic for each meter by name',
    samples(4, (n) => [
      ['wmbusmeters/MyTapWater', waterMeter('76348799', n, 'rtlwmbus[00000001]')],
      ['wmbusmeters/Garden', waterMeter('76348800', n, 'rtlwmbus[00000001]')],
    ]),
    { '76348799': WATER, '76348800': WATER },
  ],
  [
    'wmbusmeters: water, heat and electricity by one receiver',
    samples(4, (n) => [
      ['wmbusmeters', waterMeter('76348799', n, 'im871a[1]')],
      [
        'wmbusmeters',
        {
          _: 'telegram',
          media: 'heat',
          meter: 'kamheat',
          id: '67676767',
          power_kw: n,
          timestamp: at(n),
          device: 'im871a[1]',
        },
      ],
      [
        'wmbusmeters',
        {
          _: 'telegram',
          media: 'electricity',
          meter: 'amiplus',
          id: '10101010',
          current_power_consumption_kw: n,
          timestamp: at(n),
          device: 'im871a[1]',
        },
      ],
    ]),
    {
      '76348799': WATER,
      '67676767': ['power_kw'],
      '10101010': ['current_power_consumption_kw'],
    },
  ],
  [
    'rtlamr: the id of the meter is one level down',
    samples(4, (n) =>
      [17581447, 17581448].map((ID) => [
        'rtlamr',
        { Time: at(n), Type: 'SCM', Message: { ID, Type: 4, Consumption: ID - 17500000 + n } },
      ]),
    ),
    {
      '17581447': ['Message_Consumption', 'Message_Type'],
      '17581448': ['Message_Consumption', 'Message_Type'],
    },
  ],
  // LoRaWAN servers and gateways.
  [
    'Milesight gateway: decoded values next to the list of receiving gateways',
    samples(4, (n) =>
      ['24e124136b502217', '24e124136b502218'].map((devEUI) => [
        '/mqtttest',
        {
          applicationID: 1,
          devEUI,
          deviceName: 'EM300-TH',
          time: at(n),
          temperature: 20 + n,
          rxInfo: [{ mac: '24e124fffef54092', name: 'Local Gateway', latitude: 0, time: at(n) }],
        },
      ]),
    ),
    {
      '24e124136b502217': ['temperature'],
      '24e124136b502218': ['temperature'],
    },
  ],
  [
    'Actility ThingPark: all of it is in DevEUI_uplink',
    samples(4, (n) =>
      ['000000000F1D8693', '000000000F1D8694'].map((DevEUI) => [
        'actility/uplink',
        {
          DevEUI_uplink: {
            DevEUI,
            FCntUp: 7011 + n,
            payload_hex: '0027bd00',
            payload: { temperature: 20 + n },
          },
        },
      ]),
    ),
    {
      '000000000F1D8693': ['DevEUI_uplink_FCntUp', 'DevEUI_uplink_payload_temperature'],
      '000000000F1D8694': ['DevEUI_uplink_FCntUp', 'DevEUI_uplink_payload_temperature'],
    },
  ],
  [
    'RAK WisGate: bytes as hexadecimal text are no number',
    samples(4, (n) =>
      ['aa555a0000000001', 'aa555a0000000002'].map((devEUI) => [
        `application/app/device/${devEUI}/rx`,
        {
          applicationID: '1',
          devEUI,
          timestamp: 1_768_478_400 + n,
          data: '0167',
          object: { temperature: 20 + n },
        },
      ]),
    ),
    { aa555a0000000001: ['object_temperature'], aa555a0000000002: ['object_temperature'] },
  ],
  [
    'SenseCAP: the last level numbers the quantity',
    samples(4, (n) =>
      ['2CF7F12000000001', '2CF7F12000000002'].flatMap((eui) =>
        [4097, 4098].map((id): [string, unknown] => [
          `/device_sensor_data/521853156991/${eui}/1/vs/${id}`,
          { value: `${id - 4077 + n}.1`, timestamp: `${1_768_478_400_000 + n * 60_000}` },
        ]),
      ),
    ),
    { '2CF7F12000000001': ['4097', '4098'], '2CF7F12000000002': ['4097', '4098'] },
  ],
  [
    'Dragino NB-IoT: two loggers on one topic, by IMEI; the date has slashes',
    samples(4, (n) =>
      ['868411060000001', '868411060000002'].map((IMEI) => [
        'dragino/up',
        {
          IMEI,
          IMSI: '460240210507481',
          Model: 'S31B-NB',
          temperature: 30.6 + n,
          time: `2026/01/15 12:0${n}:37`,
        },
      ]),
    ),
    { '868411060000001': ['temperature'], '868411060000002': ['temperature'] },
  ],
  [
    'rows with a time',
    samples(3, (n) => [['log/n1', `2026-01-15 13:0${n}:00;2${n},5;4${n};x`]]),
    { n1: ['column_2', 'column_3'] },
  ],
])('%s', (_, messages, wanted) => {
  const learned = learnFrom(messages);
  const router = routerOf(routesOf(learned));
  const found = new Map<string, Set<string>>();
  const values = new Map<string, number>();
  for (const message of messages) {
    const decoded = feed(router, message);
    if (decoded.kind === 'reject') throw new Error(`${message.topic}: ${decoded.code}`);
    const lost = (decoded.losses?.dropped ?? []).filter((name) => !NO_MEASUREMENT.has(name));
    expect([decoded.ambiguous ?? 0, lost]).toEqual([0, []]);
    for (const { device, timeUs, metrics } of decoded.readings)
      for (const [name, value] of metrics) {
        if (NO_MEASUREMENT.has(name)) continue;
        found.set(device, (found.get(device) ?? new Set()).add(name));
        const key = `${device} ${timeUs} ${name}`;
        expect(values.get(key) ?? value).toBe(value);
        values.set(key, value);
      }
  }
  expect(Object.fromEntries([...found].map(([device, names]) => [device, [...names].sort()]))).toEqual(
    wanted,
  );
});

const NO_MEASUREMENT = new Set(['id', 'applicationID', 'data', 'rxInfo', 'IMSI']);

test('a row with a local time gets the zone in which it arrived', () => {
  const messages = samples(3, (n) => [['log/n1', `2026-01-15 13:0${n}:05;2${n},5;4${n}`]]);
  expect(routesOf(learnFrom(messages))).toEqual([expect.objectContaining({ timezone: '+01:00' })]);
});

test('sensors of one Tasmota device that measure the same are devices of their own', () => {
  const learned = learnFrom(
    samples(3, (n) => [
      [
        'tele/cellar/SENSOR',
        {
          Time: `2026-01-15T12:0${n}:00`,
          'DS18B20-1': { Id: '0A', Temperature: 20 + n },
          'DS18B20-2': { Id: '0B', Temperature: 40 + n },
          ESP32: { Temperature: 50 },
        },
      ],
    ]),
  );
  expect(learned.routes.flatMap(({ devices }) => devices)).toEqual([
    'cellar/DS18B20-1',
    'cellar/DS18B20-2',
    'cellar/ESP32',
  ]);
  const alone = samples(3, () => [
    [
      'tele/x/SENSOR',
      { Time: '2026-01-15T12:00:00', AHT2X: { Temperature: 20 }, ESP32: { Temperature: 50 } },
    ],
  ]);
  expect(routesOf(learnFrom(alone))).toEqual([{ preset: 'tasmota' }]);
});

test('Shelly of the first generation by a name of its own', () => {
  const learned = learnFrom(
    samples(2, (n) => [
      ['shellies/heater/emeter/0/power', `${100 + n}`],
      ['shellies/heater/sensor/temperature', '20.5'],
    ]),
  );
  expect(routesOf(learned)).toEqual([{ preset: 'shelly-gen1' }]);
});

test('values that would replace each other are reported', () => {
  const learned = learnFrom(
    samples(3, (n) =>
      ['cpu0', 'cpu1'].map((cpu, at) => [
        'tg/json',
        {
          fields: { idle: 90 - at - n },
          name: 'cpu',
          tags: { cpu, host: 'a' },
          timestamp: 1_768_478_400 + n,
        },
      ]),
    ),
  );
  expect(learned.routes[0]?.hints).toEqual([expect.stringMatching(/several values at one time .*: idle;/)]);
});

test('a number with a decimal comma is not two columns', () => {
  const learned = learnFrom(samples(4, (n) => [['m/dev1/temp', `2${n},5`]]));
  expect(routesOf(learned)).toEqual([]);
  expect(learned.leftOut).toEqual([
    expect.objectContaining({ reason: expect.stringMatching(/decimal comma/) }),
  ]);
});

test('a date with slashes is a time, and its zone is found', () => {
  const messages = samples(3, (n) => [['dragino/n1', { temperature: n, time: `2026/01/15 20:0${n}:05` }]]);
  expect(routesOf(learnFrom(messages))).toEqual([
    { topic: 'dragino/n1', codec: 'json', device: 'n1', timezone: '+08:00' },
  ]);
});
