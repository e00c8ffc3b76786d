import { gzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import protobuf from 'protobufjs';
import { type WatchedRoute, RECEIVED_AT, feed, plain, routerOf } from '../../support/routes.ts';

// Further members of the kinds of payloads that reports named, from the documentation of devices.

const NOW_US = Date.parse(RECEIVED_AT) * 1000;
const NOW_MS = NOW_US / 1000;
const TIME = '2026-01-15T12:00:00';

interface Member {
  readonly of: string;
  readonly route: object;
  readonly topic: string;
  readonly payload: unknown;
  /** `device: metrics`, or the reject code. */
  readonly stored: unknown;
  /** Numbers that are lost on purpose, by count. */
  readonly dropped?: number;
}

function decode(
  router: ReturnType<typeof routerOf>,
  topic: string,
  payload: unknown,
  more: WatchedRoute = {},
) {
  const text = typeof payload === 'string' ? payload : JSON.stringify(payload);
  const decoded = feed(router, { topic, payload: text, ...more });
  const readings = plain(decoded);
  const stored = Array.isArray(readings)
    ? readings.map(({ device, metrics }: { device: string; metrics: object }) => [device, metrics])
    : readings;
  return { stored, dropped: decoded.kind === 'reject' ? 0 : decoded.dropped };
}

const one = (device: string, metrics: object) => [[device, metrics]];
const TASMOTA = { preset: 'tasmota' };
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
  {
    of: 'Tasmota, three phases with tariffs (SetOption129)',
    route: TASMOTA,
    topic: 'tele/meter/SENSOR',
    payload: {
      Time: TIME,
      ENERGY: {
        TotalStartTime: TIME,
        Total: [1, 2, 3],
        TotalTariff: [3.2, 2.8],
        Factor: [0.9, 1, 1],
        Frequency: 50,
      },
    },
    stored: one('meter', {
      ENERGY_Total_1: 1,
      ENERGY_Total_2: 2,
      ENERGY_Total_3: 3,
      ENERGY_TotalTariff_1: 3.2,
      ENERGY_TotalTariff_2: 2.8,
      ENERGY_Factor_1: 0.9,
      ENERGY_Factor_2: 1,
      ENERGY_Factor_3: 1,
      ENERGY_Frequency: 50,
    }),
  },
  // Tasmota: sensors by number, by address, and what a bridge receives.
  {
    of: 'Tasmota, several DS18B20: the second is not lost',
    route: TASMOTA,
    topic: 'tele/t/SENSOR',
    payload: {
      Time: TIME,
      'DS18B20-1': { Id: '000006D10C8D', Temperature: 21.5 },
      'DS18B20-2': { Id: '000008FF9AD1', Temperature: 4.1 },
      TempUnit: 'C',
    },
    stored: one('t', { temperature: 21.5, 'DS18B20-2_Temperature': 4.1 }),
  },
  {
    of: 'Tasmota, BME280 at two I2C addresses on an ESP32',
    route: { ...TASMOTA, split_blocks: true },
    topic: 'tele/t/SENSOR',
    payload: {
      Time: TIME,
      'BME280-76': { Temperature: 21.5, Humidity: 40, Pressure: 1001 },
      'BME280-77': { Temperature: 3.5, Humidity: 80, Pressure: 1002 },
    },
    stored: [
      ['t/BME280-76', { temperature: 21.5, humidity: 40, pressure: 1001 }],
      ['t/BME280-77', { temperature: 3.5, humidity: 80, pressure: 1002 }],
    ],
  },
  {
    of: 'Tasmota, Zigbee with SetOption83 and 112: friendly names',
    route: TASMOTA,
    topic: 'tele/zb/SENSOR',
    payload: {
      ZbReceived: {
        Kitchen: { Device: '0x8F20', Name: 'Kitchen', Humidity: 41.2, Endpoint: 1, LinkQuality: 70 },
      },
    },
    stored: one('zb/Kitchen', { humidity: 41.2, LinkQuality: 70 }),
  },
  {
    of: 'Tasmota, Zigbee with SetOption89: a topic for each device',
    route: TASMOTA,
    topic: 'tele/zb/8F20/SENSOR',
    payload: {
      ZbReceived: { '0x8F20': { Device: '0x8F20', Temperature: 22.5, Endpoint: 1, LinkQuality: 70 } },
    },
    stored: one('zb/8F20/0x8F20', { temperature: 22.5, LinkQuality: 70 }),
  },
  {
    of: 'Tasmota, Zigbee with SetOption100: no ZbReceived around it',
    route: TASMOTA,
    topic: 'tele/zb/SENSOR',
    payload: {
      '0x8F20': { Device: '0x8F20', Name: 'Kitchen', Temperature: 22.5, Endpoint: 1, LinkQuality: 70 },
    },
    stored: one('zb/0x8F20', { temperature: 22.5, LinkQuality: 70 }),
  },
  {
    of: 'Tasmota, Zigbee with SetOption89, 100, 112 and 119: neither wrapper nor address',
    route: TASMOTA,
    topic: 'tele/Kitchen/SENSOR',
    payload: { Device: '0x8F20', Name: 'Kitchen', Temperature: 22.5, Endpoint: 1, LinkQuality: 70 },
    stored: one('Kitchen', { temperature: 22.5, LinkQuality: 70 }),
  },
  {
    of: 'Tasmota, Zigbee with SetOption118: ZbReceived is the last level of the topic',
    route: TASMOTA,
    topic: 'tele/zb/ZbReceived',
    payload: {
      '0x8F20': { Device: '0x8F20', Temperature: 22.5, LinkQuality: 70 },
      '0x8F21': { Device: '0x8F21', Temperature: 4.5, LinkQuality: 71 },
    },
    stored: [
      ['zb/0x8F20', { temperature: 22.5, LinkQuality: 70 }],
      ['zb/0x8F21', { temperature: 4.5, LinkQuality: 71 }],
    ],
  },
  {
    of: 'Tasmota, Zigbee with SetOption119 and 144: a time, and no address in ZbReceived',
    route: TASMOTA,
    topic: 'tele/Kitchen/SENSOR',
    payload: { Time: TIME, ZbReceived: { Device: '0x8F20', Humidity: 41, Endpoint: 1, LinkQuality: 70 } },
    stored: one('Kitchen', { humidity: 41, LinkQuality: 70 }),
  },
  {
    of: 'Tasmota, LoRaWAN: two nodes that one bridge decodes',
    route: TASMOTA,
    topic: 'tele/lw/SENSOR',
    payload: {
      LwDecoded: {
        DDS75: { Node: 1, Device: '0xB1F4', RSSI: -57, SNR: 9.2, BattVolt: 3.06, Distance: 1200 },
        DW10: { Node: 2, Device: '0xB1F5', RSSI: -80, SNR: 7, BattVolt: 3.1 },
      },
    },
    stored: [
      ['lw/DDS75', { rssi: -57, SNR: 9.2, BattVolt: 3.06, Distance: 1200 }],
      ['lw/DW10', { rssi: -80, SNR: 7, BattVolt: 3.1 }],
    ],
  },
  {
    of: 'Tasmota, BLE: the mi32 driver',
    route: { ...TASMOTA, split_blocks: true },
    topic: 'tele/ble/SENSOR',
    payload: {
      Time: TIME,
      'LYWSD03-4a4e2f': {
        mac: 'a4c1384a4e2f',
        Temperature: 21.5,
        Humidity: 40,
        DewPoint: 7.3,
        Btn: 1,
        Battery: 87,
        RSSI: -70,
      },
      TempUnit: 'C',
    },
    stored: one('ble/LYWSD03-4a4e2f', {
      temperature: 21.5,
      humidity: 40,
      DewPoint: 7.3,
      Btn: 1,
      battery: 87,
      rssi: -70,
    }),
  },
  // Tasmota says the unit of the whole message: all that is measured in it.
  {
    of: 'Tasmota in °F: dew point, heat index, a chip, and a second probe',
    route: TASMOTA,
    topic: 'tele/f/SENSOR',
    payload: {
      Time: TIME,
      SHT3X: { Temperature: 68, Humidity: 50, DewPoint: 50, HeatIndex: 68 },
      'DS18B20-2': { Id: '000008FF9AD1', Temperature: 41 },
      ESP32: { Temperature: 122 },
      TempUnit: 'F',
    },
    stored: one('f', {
      temperature: 20,
      humidity: 50,
      SHT3X_DewPoint: 10,
      SHT3X_HeatIndex: 20,
      'DS18B20-2_Temperature': 5,
      ESP32_Temperature: 50,
    }),
  },
  {
    of: 'Tasmota in °F: probes at analog inputs, a thermocouple, an infrared thermometer that is always in °C',
    route: { ...TASMOTA, split_blocks: true },
    topic: 'tele/f/SENSOR',
    payload: {
      Time: TIME,
      ANALOG: { Temperature1: 50, Temperature2: 59 },
      MAX31855: { ProbeTemperature: 212, ReferenceTemperature: 77, Error: 0 },
      MLX90614: { OBJTMP: 31.5, AMBTMP: 22 },
      TempUnit: 'F',
    },
    stored: [
      ['f/ANALOG', { Temperature1: 10, Temperature2: 15 }],
      ['f/MAX31855', { ProbeTemperature: 100, ReferenceTemperature: 25, Error: 0 }],
      ['f/MLX90614', { OBJTMP: 31.5, AMBTMP: 22 }],
    ],
  },
  {
    of: 'Tasmota in °F: temperatures in a list, and one level further down',
    route: TASMOTA,
    topic: 'tele/f/SENSOR',
    payload: { Time: TIME, HEAT: { Temperature: [50, 59], Zone: { Temperature: 68 } }, TempUnit: 'F' },
    stored: one('f', { HEAT_Temperature_1: 10, HEAT_Temperature_2: 15, HEAT_Zone_Temperature: 20 }),
  },
  {
    of: 'Tasmota BMP280 in mmHg: also at sea level',
    route: TASMOTA,
    topic: 'tele/p/SENSOR',
    payload: {
      Time: TIME,
      BMP280: { Temperature: 20, Pressure: 750, SeaPressure: 760 },
      PressureUnit: 'mmHg',
      TempUnit: 'C',
    },
    stored: one('p', {
      temperature: 20,
      pressure: expect.closeTo(999.918, 2),
      BMP280_SeaPressure: expect.closeTo(1013.25, 2),
    }),
  },
  {
    of: 'Tasmota in inHg (SetOption24 and 139), two barometers',
    route: { ...TASMOTA, split_blocks: true },
    topic: 'tele/p/SENSOR',
    payload: {
      Time: TIME,
      'BME280-76': { Pressure: 29.92, SeaPressure: 30.1 },
      'BME280-77': { Pressure: 29.8 },
      PressureUnit: 'inHg',
    },
    stored: [
      ['p/BME280-76', { pressure: expect.closeTo(1013.21, 2), SeaPressure: expect.closeTo(1019.3, 2) }],
      ['p/BME280-77', { pressure: expect.closeTo(1009.14, 2) }],
    ],
  },
  {
    of: 'Tasmota in Russian: мм рт.ст.',
    route: TASMOTA,
    topic: 'tele/p/SENSOR',
    payload: { Time: TIME, BMP280: { Pressure: 750 }, PressureUnit: 'мм рт.ст.' },
    stored: one('p', { pressure: expect.closeTo(999.918, 2) }),
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
  {
    of: 'Tasmota STATE of a switch with several relays and a lamp',
    route: TASMOTA,
    topic: 'tele/s/STATE',
    payload: {
      Time: TIME,
      Vcc: 3.48,
      POWER1: 'ON',
      POWER2: 'OFF',
      Dimmer: 40,
      Wifi: { RSSI: 100, Signal: -45 },
    },
    stored: one('s', { Vcc: 3.48, rssi: -45 }),
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

// Field numbers of the Sparkplug 3.0 schema, chapter 6.
const writer = () => protobuf.Writer.create();
type Write = (to: protobuf.Writer) => protobuf.Writer;

const metric = (name: string | undefined, datatype: number | undefined, write: Write): Uint8Array => {
  const to = writer();
  if (name !== undefined) to.uint32(10).string(name);
  if (datatype !== undefined) to.uint32(32).uint32(datatype);
  return write(to).finish();
};
const payload = (...metrics: Uint8Array[]): Uint8Array => {
  const whole = writer().uint32(8).uint64(NOW_MS);
  for (const one of metrics) whole.uint32(18).bytes(one);
  return whole.finish();
};
const double =
  (value: number): Write =>
  (to) =>
    to.uint32(105).double(value);
const int =
  (value: number): Write =>
  (to) =>
    to.uint32(80).uint32(value >>> 0);
const long =
  (value: bigint): Write =>
  (to) =>
    to.uint32(88).uint64(
      protobuf.util.LongBits.from({
        low: Number(value & 0xffff_ffffn) | 0,
        high: Number(value >> 32n) | 0,
        unsigned: true,
      }).toLong(true),
    );
const alias =
  (number: number, write: Write): Write =>
  (to) =>
    write(to.uint32(16).uint32(number));
const bytes = (body: Uint8Array): WatchedRoute => ({ payload_hex: Buffer.from(body).toString('hex') });

describe('Sparkplug', () => {
  const data = (...metrics: Uint8Array[]) => {
    const router = routerOf([{ preset: 'sparkplug-b' }]);
    const decoded = feed(router, { topic: 'spBv1.0/G/DDATA/E/D', ...bytes(payload(...metrics)) });
    const readings = plain(decoded);
    return {
      stored: Array.isArray(readings) ? readings.map((one: { metrics: object }) => one.metrics) : readings,
      lost: decoded.kind === 'reject' ? undefined : decoded.losses?.dropped,
    };
  };

  test('unsigned and signed integers at the ends of their range', () => {
    const written = [
      metric('i8', 1, int(-23)),
      metric('u8', 5, int(250)),
      metric('i16', 2, int(-30000)),
      metric('u16', 6, int(65535)),
      metric('i32', 3, int(-1)),
      metric('u32', 7, long(4294967295n)),
      metric('i64', 4, long(18446744073709551611n)),
    ];
    expect(data(...written).stored).toEqual([
      { i8: -23, u8: 250, i16: -30000, u16: 65535, i32: -1, u32: 4294967295, i64: -5 },
    ]);
  });

  test('a data set and a template are counted, and cost nothing else', () => {
    const compound =
      (field: number): Write =>
      (to) =>
        to.uint32(field * 8 + 2).bytes(Uint8Array.of(8, 1));
    expect(
      data(metric('ok', 10, double(1)), metric('set', 16, compound(17)), metric('udt', 19, compound(18))),
    ).toEqual({
      stored: [{ ok: 1 }],
      lost: ['set', 'udt'],
    });
  });

  test('null beside a value, and a historical value by its own time', () => {
    const nothing: Write = (to) => to.uint32(56).bool(true);
    const late = writer()
      .uint32(10)
      .string('level')
      .uint32(24)
      .uint64(NOW_MS - 60_000)
      .uint32(32)
      .uint32(10);
    late.uint32(40).bool(true).uint32(105).double(3);
    const router = routerOf([{ preset: 'sparkplug-b' }]);
    const body = payload(metric('gone', 10, nothing), late.finish(), metric('level', 10, double(4)));
    expect(plain(feed(router, { topic: 'spBv1.0/G/NDATA/E', ...bytes(body) }))).toEqual([
      { device: 'G/E', time: NOW_US - 60_000_000, metrics: { level: 3 } },
      { device: 'G/E', time: NOW_US, metrics: { level: 4 } },
    ]);
  });

  test('a rebirth gives an alias another name', () => {
    const router = routerOf([{ preset: 'sparkplug-b' }]);
    const born = (name: string) =>
      feed(router, {
        topic: 'spBv1.0/G/DBIRTH/E/D',
        ...bytes(payload(metric(name, 10, alias(4, double(1))))),
      });
    const later = () =>
      plain(
        feed(router, {
          topic: 'spBv1.0/G/DDATA/E/D',
          ...bytes(payload(metric(undefined, undefined, alias(4, double(2))))),
        }),
      );
    born('Level');
    expect(later()).toMatchObject([{ metrics: { Level: 2 } }]);
    born('Flow');
    expect(later()).toMatchObject([{ metrics: { Flow: 2 } }]);
  });

  const property = (type: number, value: Write) => value(writer().uint32(8).uint32(type)).finish();
  const withQuality = (name: string, one: Uint8Array): Uint8Array => {
    const set = writer().uint32(10).string('Quality').uint32(18).bytes(one).finish();
    return metric(name, 10, (to) => to.uint32(74).bytes(set).uint32(105).double(1));
  };

  test('Quality in any type of integer, or null', () => {
    const ofProperty: Record<string, Uint8Array> = {
      good64: property(4, (to) => to.uint32(32).uint64(192)),
      stale64: property(4, (to) => to.uint32(32).uint64(500)),
      negative: property(3, (to) => to.uint32(24).uint32(-1 >>> 0)),
      unknown: property(3, (to) => to.uint32(16).bool(true)),
    };
    const { stored } = data(...Object.entries(ofProperty).map(([name, one]) => withQuality(name, one)));
    expect(stored).toEqual([{ good64: 1, unknown: 1 }]);
  });

  test('a compressed birth teaches names as a plain one', () => {
    const router = routerOf([{ preset: 'sparkplug-b' }]);
    const inner = gzipSync(payload(metric('Level', 3, alias(9, int(1)))));
    const body = writer().uint32(34).string('SPBV1.0_COMPRESSED').uint32(42).bytes(inner).finish();
    feed(router, { topic: 'spBv1.0/G/NBIRTH/E', ...bytes(body) });
    const next = payload(metric(undefined, undefined, alias(9, int(-7))));
    expect(plain(feed(router, { topic: 'spBv1.0/G/NDATA/E', ...bytes(next) }))).toMatchObject([
      { metrics: { Level: -7 } },
    ]);
  });
});
