import { expect, test } from '@jest/globals';
import { routerOf } from '../../support/routes.ts';
import { type Member, TASMOTA, TIME, decode, one } from './member-payloads.ts';

// Further kinds of messages of Tasmota, from its documentation and its sources.

const MEMBERS: readonly Member[] = [
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
];

test.each(MEMBERS.map((member) => [member.of, member] as const))('%s', (_, member) => {
  const { stored, dropped } = decode(routerOf([member.route]), member.topic, member.payload);
  expect({ stored, dropped }).toEqual({ stored: member.stored, dropped: member.dropped ?? 0 });
});
