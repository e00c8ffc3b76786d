import { expect, test } from '@jest/globals';
import { routerOf } from '../../support/routes.ts';
import { type Member, NOW_MS, TIME, decode, one } from './member-payloads.ts';

// Further members of the kinds of payloads that reports named, from the documentation of devices.

const SHELLY = { preset: 'shelly-gen2' };

const MEMBERS: readonly Member[] = [
  // Arrays of numbers.
  {
    of: 'go-eCharger API v2, nrg: 16 elements, the longest that is taken',
    route: { topic: 'go-eCharger/{device}/{metric}', codec: 'json' },
    topic: 'go-eCharger/222819/nrg',
    payload: [230, 231, 229, 0, 16, 15.9, 16, 3.6, 3.6, 3.7, 0, 10.9, 98, 99, 98, 0],
    stored: one(
      '222819',
      Object.fromEntries(
        [230, 231, 229, 0, 16, 15.9, 16, 3.6, 3.6, 3.7, 0, 10.9, 98, 99, 98, 0].map((v, i) => [
          `nrg_${i + 1}`,
          v,
        ]),
      ),
    ),
  },
  {
    of: 'openWB 2, a counter: an array for each topic',
    route: { topic: 'openWB/{type}/{device}/get/{metric}', codec: 'json' },
    topic: 'openWB/counter/0/get/voltages',
    payload: [229.9, 231, null],
    stored: one('0', { voltages_1: 229.9, voltages_2: 231 }),
  },
  {
    of: 'Edge Impulse acquisition format: rows of samples beside an interval',
    route: { topic: 'ei/{device}', codec: 'json', metrics_path: '/payload', extras: true },
    topic: 'ei/n1',
    payload: {
      payload: {
        interval_ms: 10,
        battery: 90,
        values: [
          [-9.81, 0.03],
          [-9.83, 0.04],
        ],
      },
    },
    stored: one('n1', { battery: 90, interval_ms: 10 }),
    dropped: 1,
  },
  // Others whose payloads say the unit.
  {
    of: 'rtl_433 -C customary: °F, inHg',
    route: { preset: 'rtl_433', timezone: 'UTC' },
    topic: 'rtl_433/pi/events',
    payload: {
      time: '2026-01-15 12:00:00',
      model: 'Fineoffset-WH32B',
      id: 143,
      temperature_F: 68,
      humidity: 43,
      pressure_inHg: 29.92,
    },
    stored: one('Fineoffset-WH32B/143', {
      temperature: 20,
      humidity: 43,
      pressure: expect.closeTo(1013.21, 2),
    }),
  },
  {
    of: 'rtl_433 -C customary: a tyre in PSI',
    route: { preset: 'rtl_433', timezone: 'UTC' },
    topic: 'rtl_433/pi/events',
    payload: { time: '2026-01-15 12:00:00', model: 'Ford', type: 'TPMS', id: 'ab', pressure_PSI: 32.2 },
    stored: one('TPMS/Ford/ab', { pressure: expect.closeTo(2220.11, 2) }),
  },
  {
    of: 'rtl_433: several probes keep the unit in their names',
    route: { preset: 'rtl_433', timezone: 'UTC' },
    topic: 'rtl_433/pi/events',
    payload: {
      time: '2026-01-15 12:00:00',
      model: 'ThermoPro-TX2C',
      id: 7,
      temperature_1_F: 150,
      temperature_2_F: 70,
    },
    stored: one('ThermoPro-TX2C/7', { temperature_1_F: 150, temperature_2_F: 70 }),
  },
  {
    of: 'Theengs: a probe that is sent in both units',
    route: { preset: 'theengs' },
    topic: 'home/gw/BTtoMQTT/A4C138000003',
    payload: { id: 'A4:C1:38:00:00:03', rssi: -60, tempf: 68, tempc: 20, hum: 40, pres: 1013 },
    stored: one('A4C138000003', { rssi: -60, temperature: 20, humidity: 40, pressure: 1013 }),
  },
  {
    of: 'OpenMQTTGateway, a weather station by radio in °F alone',
    route: { preset: 'theengs' },
    topic: 'home/gw/RTL_433toMQTT/LaCrosse-TX141W/1/99',
    payload: { model: 'LaCrosse-TX141W', id: 99, channel: 1, temperature_F: 50, pressure_inHg: 30 },
    stored: one('LaCrosse-TX141W/1/99', { temperature: 10, pressure: expect.closeTo(1015.92, 2) }),
  },
  {
    of: 'EdgeX 3: a reading that states its unit; a pressure that is not the air',
    route: { preset: 'edgex' },
    topic: 'edgex/events/device/d/p/d/s',
    payload: {
      event: {
        deviceName: 'boiler',
        readings: [
          { resourceName: 'Temperature', valueType: 'Float64', value: '68', units: 'Degrees Fahrenheit' },
          { resourceName: 'LinePressure', valueType: 'Float64', value: '30', units: 'psi' },
          { resourceName: 'Humidity', valueType: 'Float64', value: '40', units: '%' },
        ],
      },
    },
    stored: one('boiler', { temperature: 20, LinePressure: 30, humidity: 40 }),
  },
  {
    of: 'Ecowitt by a program that passes its keys on: what is not canonical keeps the unit in its name',
    route: { topic: 'ecowitt/{device}', codec: 'json' },
    topic: 'ecowitt/gw1000',
    payload: { tempf: 68, tempinf: 70, humidity: 40, baromrelin: 29.92, winddir: 180 },
    stored: one('gw1000', { temperature: 20, tempinf: 70, humidity: 40, baromrelin: 29.92, winddir: 180 }),
  },
  // Shelly.
  {
    of: 'Shelly Flood Gen4',
    route: SHELLY,
    topic: 's/status/flood:0',
    payload: { id: 0, alarm: true, mute: false },
    stored: one('s', { alarm: 1, mute: 0 }),
  },
  {
    of: 'Shelly BLU TRV behind a gateway',
    route: SHELLY,
    topic: 's/status/blutrv:200',
    payload: {
      id: 200,
      pos: 30,
      target_C: 21,
      current_C: 19.5,
      steps: 0,
      rssi: -60,
      battery: 95,
      packet_id: 7,
      last_updated_ts: 1768478400,
      errors: ['x'],
      paired: true,
      rpc: true,
      rsv: 9,
    },
    stored: one('s:200', {
      pos: 30,
      target_C: 21,
      current_C: 19.5,
      steps: 0,
      rssi: -60,
      battery: 95,
      paired: 1,
      rpc: 1,
      rsv: 9,
    }),
  },
  {
    of: 'Shelly Plus RGBW PM, a colour that fades',
    route: SHELLY,
    topic: 's/status/rgbw:0',
    payload: {
      id: 0,
      source: 'timer',
      output: true,
      rgb: [255, 0, 0],
      brightness: 50,
      white: 120,
      apower: 3.2,
      transition: { target: { rgb: [1, 2, 3] } },
    },
    stored: one('s', { output: 1, brightness: 50, white: 120, apower: 3.2 }),
  },
  // Metrics that must not become one.
  {
    of: 'LwM2M lamps by SenML: objects of one kind, instances apart',
    route: { preset: 'senml', topic: 'lwm2m/{device}' },
    topic: 'lwm2m/gw7',
    payload: [
      { bn: '/3311/0/', n: '5851', v: 60 },
      { bn: '/3311/1/', n: '5851', v: 80 },
    ],
    stored: one('gw7', { '/3311/0/5851': 60, '/3311/1/5851': 80 }),
  },
  {
    of: 'EMQX Neuron, tags format, one of them in error',
    route: {
      topic: 'neuron/{device}',
      codec: 'json',
      pivot: { items: '/tags', name: '/name', value: '/value' },
    },
    topic: 'neuron/modbus1',
    payload: {
      timestamp: NOW_MS,
      node: 'modbus1',
      group: 'g',
      tags: [
        { name: 'tag0', value: 123 },
        { name: 'tag1', error: 2014 },
      ],
    },
    stored: one('modbus1', { tag0: 123 }),
  },
  {
    of: 'Node-RED of a PLC: pairs in a root array',
    route: { topic: 'plc/{device}', codec: 'json', pivot: { items: '', name: '/name', value: '/value' } },
    topic: 'plc/p1',
    payload: [
      { name: 'Level', value: 7 },
      { name: 'Flow', value: 9 },
    ],
    stored: one('p1', { Level: 7, Flow: 9 }),
  },
  // Keys in another case.
  {
    of: 'Azure Stream Analytics: DeviceId and Timestamp',
    route: { topic: 'az/up', codec: 'json', extras: true },
    topic: 'az/up',
    payload: { DeviceID: 'd7', TIMESTAMP: NOW_MS, Temp: 21.5 },
    stored: one('d7', { temperature: 21.5 }),
  },
  {
    of: 'Rigado Cascade: SensorId and Ts',
    route: { topic: 'rig/up', codec: 'json', extras: true },
    topic: 'rig/up',
    payload: { SensorId: 's7', Ts: NOW_MS / 1000, Hum: 40 },
    stored: one('s7', { humidity: 40 }),
  },
  {
    of: 'Milesight gateway: devEUI beside a MAC in capitals',
    route: { topic: 'ms/up', codec: 'json', extras: true },
    topic: 'ms/up',
    payload: { MAC: 'AC233F', Time: `${TIME}Z`, Battery: 88 },
    stored: one('AC233F', { battery: 88 }),
  },
  // The topic names the metric.
  {
    of: 'HiveMQ Edge, one tag for each topic',
    route: { topic: 'edge/{device}/{metric}', codec: 'json' },
    topic: 'edge/press/pressure',
    payload: { timestamp: NOW_MS, value: 1001.5 },
    stored: one('press', { pressure: 1001.5 }),
  },
  {
    of: 'Cogent DataHub: quality by name',
    route: { topic: 'hub/{device}/{metric}', codec: 'json' },
    topic: 'hub/tank/level',
    payload: { value: 42.5, quality: 'Good', timestamp: `${TIME}Z` },
    stored: one('tank', { level: 42.5 }),
  },
  {
    of: 'openHAB event bus: the value is text',
    route: { topic: 'openhab/items/{device}/{metric}', codec: 'json' },
    topic: 'openhab/items/hall/humidity',
    payload: { type: 'Decimal', value: '45.3' },
    stored: one('hall', { humidity: 45.3 }),
  },
  // Texts.
  {
    of: 'Vaisala WXT520',
    route: {
      topic: 'wx/{device}',
      codec: 'pattern',
      pattern: 'Ta=(?<temperature>[-\\d.]+)C,Ua=(?<humidity>[\\d.]+)P,Pa=(?<pressure>[\\d.]+)H',
    },
    topic: 'wx/roof',
    payload: '0R2,Ta=-3.5C,Ua=45.3P,Pa=1008.7H',
    stored: one('roof', { temperature: -3.5, humidity: 45.3, pressure: 1008.7 }),
  },
  {
    of: 'SDI-12, the answer to aD0!',
    route: {
      topic: 'sdi/{device}',
      codec: 'pattern',
      pattern: '^\\d(?<vwc>[+-][\\d.]+)(?<temperature>[+-][\\d.]+)(?<ec>[+-][\\d.]+)',
    },
    topic: 'sdi/p0',
    payload: '0+23.19-0.5+142\r\n',
    stored: one('p0', { vwc: 23.19, temperature: -0.5, ec: 142 }),
  },
  {
    of: 'Campbell Scientific TOA5: NAN in quotes',
    route: {
      topic: 'toa5/{device}',
      codec: 'csv',
      csv: { columns: ['time', 'RECORD', 'BattV', 'AirTC'] },
      timezone: 'UTC',
    },
    topic: 'toa5/cr1000',
    payload: '"2026-01-15 12:00:00",1234,12.62,"NAN"',
    stored: one('cr1000', { RECORD: 1234, BattV: 12.62 }),
  },
  // rssi is a whole number.
  {
    of: 'Kerlink: the mean of several packets',
    route: { topic: 'k/{device}', codec: 'json' },
    topic: 'k/n',
    payload: { temperature: 1, rssi: -112.5 },
    stored: one('n', { temperature: 1, rssi: -112 }),
  },
  {
    of: 'a modem that says 2^32 - 1 for unknown',
    route: { topic: 'k/{device}', codec: 'json' },
    topic: 'k/n',
    payload: { temperature: 1, rssi: 4_294_967_295 },
    stored: one('n', { temperature: 1 }),
    dropped: 1,
  },
  {
    of: 'a battery of 1e12 from a broken scale',
    route: { topic: 'k/{device}', codec: 'json' },
    topic: 'k/n',
    payload: { battery: 1e12, humidity: 40 },
    stored: one('n', { humidity: 40 }),
    dropped: 1,
  },
];

test.each(MEMBERS.map((member) => [member.of, member] as const))('%s', (_, member) => {
  const { stored, dropped } = decode(routerOf([member.route]), member.topic, member.payload);
  expect({ stored, dropped }).toEqual({ stored: member.stored, dropped: member.dropped ?? 0 });
});
