import { describe, expect, test } from '@jest/globals';
import { limitsSchema, routesSchema, timeWindowSchema } from '../../../src/config/schema/routes.ts';
import { PRESETS } from '../../../src/core/ingest/preset/index.ts';
import { compileRoutes } from '../../../src/core/ingest/route.ts';
import { chirpstackUplink } from '../../support/fuzz-targets.ts';
import { type WatchedRoute, RECEIVED_AT, feed, plain, routerOf } from '../../support/routes.ts';

// What follows from the preset rules of the payload contract beyond the worked cases.

const NOW_US = Date.parse(RECEIVED_AT) * 1000;

function read(
  route: { preset: string; [key: string]: unknown },
  topic: string,
  payload: unknown,
  more: WatchedRoute = {},
): unknown {
  const text = typeof payload === 'string' ? payload : JSON.stringify(payload);
  return plain(feed(routerOf([route]), { topic, payload: text, ...more }));
}

/** `device: metrics` of all readings. */
function metrics(
  route: { preset: string; [key: string]: unknown },
  topic: string,
  payload: unknown,
): unknown {
  const readings = read(route, topic, payload);
  if (!Array.isArray(readings)) return readings;
  return Object.fromEntries(readings.map(({ device, metrics }) => [device, metrics]));
}

test('every preset has a topic of its own, or says what it needs', () => {
  for (const { name } of PRESETS) {
    const parsed = routesSchema.safeParse([{ preset: name }]);
    const paths = parsed.success ? [] : parsed.error.issues.map(({ path }) => path.at(-1));
    const needed: unknown[] = ['topic', 'proto', 'csv', 'pattern'];
    expect(paths.filter((key) => !needed.includes(key))).toEqual([]);
  }
});

test('a key of the route overrides the same key of the preset', () => {
  const payload = { temperature: 21, last_seen: '2026-01-15T11:59:59Z', meta: { id: 'x' } };
  expect(read({ preset: 'zigbee2mqtt' }, 'zigbee2mqtt/a', payload)).toEqual([
    { device: 'a', time: NOW_US - 1_000_000, metrics: { temperature: 21 } },
  ]);
  expect(read({ preset: 'zigbee2mqtt', device_path: '/meta/id' }, 'zigbee2mqtt/a', payload)).toMatchObject([
    { device: 'x' },
  ]);
  expect(read({ preset: 'zigbee2mqtt', topic: 'z/{device}' }, 'z/b', payload)).toMatchObject([
    { device: 'b' },
  ]);
  expect(read({ preset: 'zigbee2mqtt', base_topic: 'zb' }, 'zb/bridge/state', payload)).toBe('ignored');
  expect(
    metrics({ preset: 'zigbee2mqtt', fields: { temperature: { max: 20 } } }, 'zigbee2mqtt/a', {
      ...payload,
      b: 1,
    }),
  ).toEqual({
    a: { b: 1 },
  });
  expect(
    metrics({ preset: 'zigbee2mqtt', metric_map: { t1: 'temperature' }, skip: ['b'] }, 'zigbee2mqtt/a', {
      t1: 3,
      b: 1,
    }),
  ).toEqual({
    a: { temperature: 3 },
  });
  expect(
    metrics({ preset: 'ttn-v3', device_path: '/end_device_ids/dev_eui' }, 'v3/a/devices/d/up', {
      end_device_ids: { device_id: 'd', dev_eui: 'EUI' },
      uplink_message: { decoded_payload: { temperature: 1 } },
    }),
  ).toEqual({ EUI: { temperature: 1 } });
});

test('an ecosystem ignores its topics without telemetry, but leaves them to a later route', () => {
  const router = routerOf([
    { preset: 'esphome' },
    { preset: 'homie' },
    { preset: 'scalar', topic: '{device}/{metric}' },
  ]);
  const kind = (topic: string) => plain(feed(router, { topic, payload: '5' }));
  expect(kind('node/status')).toMatchObject([{ device: 'node', metrics: { status: 5 } }]);
  expect(kind('a/b/status')).toBe('ignored');
  expect(kind('homie/5/dev/node/prop/set')).toBe('ignored');
  expect(kind('homie/5/dev/$state')).toBe('ignored');
  expect(kind('a/b/c/d')).toBe('no_match');
});

describe('tasmota', () => {
  const blocks = {
    Time: '2026-01-15T11:59:59',
    DS18B20: { Id: 'X', Temperature: null },
    BME280: { Temperature: 68, Humidity: 40, DewPoint: 50 },
    AHT: { Temperature: 77, Pressure: 750 },
    TempUnit: 'F',
    PressureUnit: 'mmHg',
  };
  test('one reading: core metrics of the first block that has them', () => {
    expect(metrics({ preset: 'tasmota' }, 'tele/t1/SENSOR', blocks)).toEqual({
      t1: {
        temperature: 20,
        humidity: 40,
        pressure: expect.closeTo(999.918, 2),
        BME280_DewPoint: 10,
        AHT_Temperature: 25,
      },
    });
  });
  test('a device per block', () => {
    expect(metrics({ preset: 'tasmota', split_blocks: true }, 'tele/a/b/SENSOR', blocks)).toEqual({
      'a/b/BME280': { temperature: 20, humidity: 40, DewPoint: 10 },
      'a/b/AHT': { temperature: 25, pressure: expect.closeTo(999.918, 2) },
    });
  });
  test('STATE, STATUS10, Epoch, on_bad_time', () => {
    const state = {
      Time: '2026-01-15T11:59:59',
      Uptime: 5,
      Wifi: { RSSI: 80, Signal: -60 },
      BatteryPercentage: 101,
    };
    expect(metrics({ preset: 'tasmota' }, 'tele/t1/STATE', state)).toEqual({ t1: { rssi: -60 } });
    expect(metrics({ preset: 'tasmota' }, 'tele/t1/STATE', { ...state, BatteryPercentage: 88 })).toEqual({
      t1: { rssi: -60, battery: 88 },
    });
    expect(metrics({ preset: 'tasmota' }, 'stat/t1/STATUS10', { StatusSNS: blocks })).toMatchObject({
      t1: { temperature: 20 },
    });
    expect(
      read({ preset: 'tasmota' }, 'tele/t1/SENSOR', { Time: 'x', Epoch: NOW_US / 1e6 - 5, A: { B: 1 } }),
    ).toMatchObject([{ time: NOW_US - 5_000_000 }]);
    const early = { Time: '1970-01-01T00:00:03', A: { B: 1 } };
    expect(read({ preset: 'tasmota', on_bad_time: 'received' }, 'tele/t1/SENSOR', early)).toMatchObject([
      { time: NOW_US },
    ]);
  });
});

describe('lorawan', () => {
  const ids = { end_device_ids: { device_id: 'd' } };
  test('ttn: the battery of the network, and the newest gateway time', () => {
    const uplink = {
      decoded_payload: { temperature: 1 },
      last_battery_percentage: { value: 80 },
      rx_metadata: [{ time: '2026-01-15T11:59:50Z' }, { time: '2026-01-15T11:59:55Z', rssi: -90 }],
    };
    expect(read({ preset: 'ttn-v3' }, 'v3/a@t/devices/d/up', { ...ids, uplink_message: uplink })).toEqual([
      { device: 'd', time: NOW_US - 5_000_000, metrics: { temperature: 1, battery: 80, rssi: -90 } },
    ]);
    const own = { ...uplink, decoded_payload: { batt: 50 } };
    expect(metrics({ preset: 'ttn-v3' }, 'v3/a@t/devices/d/up', { ...ids, uplink_message: own })).toEqual({
      d: { battery: 50, rssi: -90 },
    });
  });

  const topic = 'application/a/device/e/event';
  const info = { deviceInfo: { devEui: 'e' } };
  test('chirpstack: one Cayenne channel is the device, and status', () => {
    const object = { temperatureSensor: { 3: 27.2 }, humiditySensor: { 1: 40, 2: 41 }, co2: 400 };
    expect(metrics({ preset: 'chirpstack-v4' }, `${topic}/up`, { ...info, object })).toEqual({
      e: { temperature: 27.2, humiditySensor_1: 40, humiditySensor_2: 41, co2: 400 },
    });
    expect(
      metrics({ preset: 'chirpstack-v4' }, `${topic}/status`, { ...info, margin: 10, batteryLevel: 88.3 }),
    ).toEqual({
      e: { margin: 10, battery: 88.3 },
    });
    expect(
      metrics({ preset: 'chirpstack-v4' }, `${topic}/status`, {
        ...info,
        margin: 10,
        externalPowerSource: true,
      }),
    ).toEqual({
      e: { margin: 10 },
    });
  });

  test('chirpstack as protobuf reads the same', () => {
    const router = routerOf([{ preset: 'chirpstack-v4', encoding: 'protobuf' }]);
    const payload_hex = Buffer.from(chirpstackUplink(21.5)).toString('hex');
    expect(plain(feed(router, { topic: `${topic}/up`, payload_hex }))).toEqual([
      {
        device: '0101010101010101',
        time: NOW_US + 123_456,
        metrics: { temperature: 21.5, rssi: -36, snr: 10.5 },
      },
    ]);
  });
});

test('rtl_433: identity in the order of rtl_433, rssi is relative', () => {
  const event = {
    time: '2026-01-15 12:00:00',
    type: 'TPMS',
    model: 'M',
    subtype: 2,
    id: 'ab',
    mod: 1,
    rssi: -0.1,
    snr: 9,
    battery_V: 3,
  };
  expect(metrics({ preset: 'rtl_433' }, 'rtl_433/host/events', event)).toEqual({
    'TPMS/M/2/ab': { rssi_db: -0.1, snr: 9, battery_voltage: 3 },
  });
  expect(read({ preset: 'rtl_433' }, 'rtl_433/host/events', { ...event, id: 2 ** 53 })).toBe('bad_device');
});

test.each([
  // What the decoders of rtl_433 send that have no `id`, or whose `id` names no device.
  ['emonTx', { model: 'emonTx', node: 10, ct1: 5 }, { node: 11 }, 'emonTx/10', { ct1: 5 }],
  [
    'Sensible Living',
    { model: 'SensibleLiving-Moisture', house_id: 1, module_id: 2, sensor_value: 7 },
    { module_id: 3 },
    'SensibleLiving-Moisture/1/2',
    { sensor_value: 7 },
  ],
  [
    'FS20',
    { model: 'FHT', housecode: 1234, address: 11, ext: 40 },
    { address: 12 },
    'FHT/1234/11',
    { ext: 40 },
  ],
  [
    'Insteon',
    { model: 'Insteon', from_id: 'AB', to_id: 'CD', hopsmax: 3 },
    { from_id: 'EF' },
    'Insteon/AB',
    { hopsmax: 3 },
  ],
  [
    'UV of a WH3081',
    { model: 'Fineoffset-WHx080', subtype: 2, uv_sensor_id: 225, uv_index: 3 },
    { uv_sensor_id: 226 },
    'Fineoffset-WHx080/2/225',
    { uv_index: 3 },
  ],
  [
    'a name of old',
    { model: 'Oregon-v1', sid: 3, channel: 1, temperature_C: 7 },
    { sid: 4 },
    'Oregon-v1/1/3',
    { temperature: 7 },
  ],
  [
    'KNX-RF',
    { model: 'KNX-RF', sn: '00c5', src: 1, apci: 2 },
    { sn: '00c6' },
    'KNX-RF/00c5',
    { src: 1, apci: 2 },
  ],
])('rtl_433: %s: two devices stay two', (_, event, other, device, wanted) => {
  const at = { time: '2026-01-15 12:00:00' };
  expect(metrics({ preset: 'rtl_433' }, 'rtl_433/host/events', { ...at, ...event })).toEqual({
    [device]: wanted,
  });
  expect(
    metrics({ preset: 'rtl_433' }, 'rtl_433/host/events', { ...at, ...event, ...other }),
  ).not.toHaveProperty([device]);
});

test('rtl_433: what counts messages or holds the values names no device', () => {
  const at = { time: '2026-01-15 12:00:00' };
  const of = (event: object) => metrics({ preset: 'rtl_433' }, 'rtl_433/host/events', { ...at, ...event });
  for (const id of [1, 2])
    expect(of({ model: 'RadioHead-ASK', from: 4, to: 255, id, flags: 0 })).toEqual({
      'RadioHead-ASK/4': { to: 255, flags: 0 },
    });
  for (const code of ['5a01', '5a02'])
    expect(of({ model: 'Jansite-TY468', type: 'TPMS', code, pressure_kPa: 240 })).toEqual({
      'TPMS/Jansite-TY468': { pressure: 2400 },
    });
});

test('shelly: instances, deltas, wifi', () => {
  const params = {
    ts: NOW_US / 1e6,
    'switch:0': {
      id: 0,
      output: true,
      apower: 12.5,
      temperature: { tC: 40 },
      aenergy: { total: 5 },
      source: 'x',
    },
    'switch:1': { id: 1, output: false, voltage: 230 },
    'temperature:100': null,
    wifi: { rssi: -50, ssid: 'x' },
    sys: { uptime: 5 },
  };
  expect(
    metrics({ preset: 'shelly-gen2' }, 's1/events/rpc', { src: 's1', method: 'NotifyStatus', params }),
  ).toEqual({
    s1: { output: 1, apower: 12.5, device_temperature: 40, aenergy_total: 5, rssi: -50 },
    's1:1': { output: 0, voltage: 230 },
  });
  expect(read({ preset: 'shelly-gen2' }, 's1/events/rpc', { src: 's1', method: 'NotifyEvent', params })).toBe(
    'ignored',
  );
  expect(metrics({ preset: 'shelly-gen2' }, 's1/status/switch:1', { output: true })).toEqual({
    's1:1': { output: 1 },
  });
  expect(read({ preset: 'shelly-gen2' }, 's1/online', 'true')).toBe('ignored');
});

test('owntracks', () => {
  const location = {
    _type: 'location',
    tst: NOW_US / 1e6 - 9,
    lat: 1.5,
    lon: 2.5,
    batt: 92,
    p: 101.3,
    bs: 1,
    m: 2,
    t: 'u',
    conn: 'w',
    created_at: 5,
  };
  expect(read({ preset: 'owntracks' }, 'owntracks/jane/phone', location)).toEqual([
    {
      device: 'jane/phone',
      time: NOW_US - 9_000_000,
      metrics: { lat: 1.5, lon: 2.5, battery: 92, pressure: 1013 },
    },
  ]);
  expect(read({ preset: 'owntracks' }, 'owntracks/jane/phone/event', location)).toBe('ignored');
});

test('edgex: values by type', () => {
  const reading = (resourceName: string, valueType: string, value: string) => ({
    resourceName,
    valueType,
    value,
  });
  const readings = [
    reading('Temperature', 'Float32', '2.15e+01'),
    reading('n', 'Uint64', '18446744073709551615'),
    reading('on', 'Bool', 'true'),
    reading('name', 'String', '5'),
    reading('list', 'Int32Array', '[1]'),
    reading('bad', 'Int16', '0x10'),
  ];
  expect(metrics({ preset: 'edgex' }, 'edgex/events/device/s/p/d/r', { deviceName: 'd', readings })).toEqual({
    d: { temperature: 21.5, n: 18446744073709552000, on: 1, list_1: 1 },
  });
});

test('thingsboard: with and without values', () => {
  const route = { preset: 'thingsboard', device: 'tb1' };
  const payload = [{ ts: NOW_US / 1000, values: { temperature: 1 } }, { humidity: 2 }];
  expect(metrics(route, 'v1/devices/me/telemetry', payload)).toEqual({
    tb1: { temperature: 1, humidity: 2 },
  });
  const gateway = { A: [{ temperature: 1 }], B: { ts: NOW_US / 1000, values: { v: 2 } }, __proto__: null };
  expect(metrics({ preset: 'thingsboard-gateway' }, 'v1/gateway/telemetry', gateway)).toEqual({
    A: { temperature: 1 },
    B: { v: 2 },
  });
});

// The vendor's test vectors of RAWv1: valid data, maximum, minimum.
test.each([
  ['03291A1ECE1EFC18F94202CA0B53', 26.3, 20.5, 1027.66, [-1, -1.726, 0.714], 2.899],
  ['03FF7F63FFFF7FFF7FFF7FFFFFFF', 127.99, 127.5, 1155.35, [32.767, 32.767, 32.767], 65.535],
  ['0300FF6300008001800180010000', -127.99, 0, 500, [-32.767, -32.767, -32.767], 0],
])('ruuvi: data format 3: %s', (data, temperature, humidity, pressure, [x, y, z], battery) => {
  const payload = { rssi: -60, ts: '1768478390', data: `02010611FF9904${data}` };
  expect(metrics({ preset: 'ruuvi' }, 'ruuvi/gw/T', payload)).toEqual({
    T: {
      rssi: -60,
      ...{ temperature, humidity, pressure },
      ...{ acceleration_x: x, acceleration_y: y, acceleration_z: z, battery_voltage: battery },
    },
  });
});

test('ruuvi: "not available" and other formats', () => {
  const none = `02010 61BFF990405${'8000FFFFFFFF800080008000FFFFFFFFFF'}F41F0C28CBD6`.replace(' ', '');
  const payload = (data: string) => ({ rssi: -26, ts: String(NOW_US / 1e6), data });
  expect(metrics({ preset: 'ruuvi' }, 'ruuvi/gw/F4:1F', payload(none))).toEqual({ 'F4:1F': { rssi: -26 } });
  expect(read({ preset: 'ruuvi' }, 'ruuvi/gw/F4:1F', payload('0201061BFF990403'))).toBe('unsupported');
});

describe('sparkplug births over a reload', () => {
  const NBIRTH = '08eaf2f5a8a02b12120a05626453657118eaf2f5a8a02b20045800120e0a03566f6c1001200965000048411801';
  const DATA = '08eaf2f5a8a02b120e100118eaf2f5a8a02b65000080411802';
  const at = (topic: string, payload_hex: string): WatchedRoute => ({
    topic,
    payload_hex,
    received_at: '2017-02-03T17:55:02.300Z',
  });
  const options = { limits: limitsSchema.parse({}), timeWindow: timeWindowSchema.parse({}) };
  const births = routerOf([{ preset: 'sparkplug-b' }]);
  feed(births, at('spBv1.0/G/NBIRTH/E', NBIRTH));
  const data = at('spBv1.0/G/NDATA/E', DATA);

  test('are kept where topics and format stay, whatever else changes', () => {
    expect(plain(feed(births, data))).toMatchObject([{ device: 'G/E', metrics: { Vol: 16 } }]);
    const routes = [
      { preset: 'zigbee2mqtt' },
      { preset: 'sparkplug-b', request_rebirth: true, extras: true },
    ];
    expect(plain(feed(compileRoutes(routes, options, births), data))).toMatchObject([
      { metrics: { Vol: 16 } },
    ]);
  });

  test('are not those of other topics, nor of a new start', () => {
    const elsewhere = [{ preset: 'sparkplug-b', topic: 'spBv1.0/G/#' }];
    expect(plain(feed(compileRoutes(elsewhere, options, births), data))).toBe('unknown_alias');
    expect(plain(feed(compileRoutes([{ preset: 'sparkplug-b' }], options), data))).toBe('unknown_alias');
  });
});

test.each([
  ['hPa as it comes', 997.2, {}, 997.2],
  ['kPa by its size', 101.3, {}, 1013],
  ['kPa by its size, within bounds of the operator', 101.3, { pressure: { max: 1100 } }, 1013],
  ['the unit that the operator states', 101.3, { pressure: { unit: 'kPa' } }, 1013],
  ['the unit that the operator states, however small', 120, { pressure: { unit: 'hPa' } }, 120],
])('a barometer of Zigbee2MQTT: %s', (_what, pressure, fields, expected) => {
  const read = metrics({ preset: 'zigbee2mqtt', fields }, 'zigbee2mqtt/a', { pressure });
  expect(read).toEqual({ a: { pressure: expect.closeTo(expected, 6) } });
});

describe('a unit that the device states beside its value', () => {
  const GEN1 = { preset: 'shelly-gen1' };

  test('Shelly TRV and Motion 2 in °F are stored in °C', () => {
    const target_t = { enabled: true, value: 50, units: 'F' };
    const tmp = { value: 70.7, units: 'F', is_valid: true };
    expect(metrics(GEN1, 'shellies/shellytrv-0A1B2C/status', { target_t, tmp, bat: 96 })).toEqual({
      'shellytrv-0A1B2C': { target_t_enabled: 1, target_t_value: 10, temperature: 21.5, battery: 96 },
    });
    const info = { thermostats: [{ pos: 12, target_t, tmp }], bat: { value: 95, voltage: 4.05 }, uptime: 5 };
    expect(metrics(GEN1, 'shellies/shellytrv-0A1B2C/info', info)).toMatchObject({
      'shellytrv-0A1B2C': { pos: 12, target_t_value: 10, temperature: 21.5, battery_voltage: 4.05 },
    });
    const motion = { motion: true, timestamp: 0, lux: 62, bat: 100, tmp };
    expect(metrics(GEN1, 'shellies/shellymotion2-0A1B2C/status', motion)).toEqual({
      'shellymotion2-0A1B2C': { motion: 1, lux: 62, battery: 100, temperature: 21.5 },
    });
  });

  test('a list of numbers under a topic that names the metric is still read', () => {
    expect(metrics(GEN1, 'shellies/shellyx-0A1B2C/adc/0', '[1,2]')).toEqual({
      'shellyx-0A1B2C': { adc_0_1: 1, adc_0_2: 2 },
    });
  });

  test.each([
    ['the firmware', { dataFormat: 5, pressure: 100044, accelX: 0.004, voltage: 2.977 }],
    ['a library', { pressure: 100044, accelerationX: 4, battery: 2977 }],
    ['a bridge', { pressure: 1000.44, acceleration_x: 4, battery: 2977 }],
    ['data that is not known, and decoded', { data: 'E0', pressure: 100044, accelX: 0.004, voltage: 2.977 }],
  ])('Ruuvi messages that were decoded by %s', (_, decoded) => {
    const message = { gw_mac: 'AA', rssi: -60, ts: '1768478399', temperature: 24.3, ...decoded };
    expect(metrics({ preset: 'ruuvi' }, 'ruuvi/AA/BB', message)).toEqual({
      BB: { rssi: -60, temperature: 24.3, pressure: 1000.44, acceleration_x: 0.004, battery_voltage: 2.977 },
    });
  });
});
