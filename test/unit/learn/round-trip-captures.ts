// What devices of many kinds publish, from their documentation, and the devices and metrics that an operator would name.

type Payload = string | ((round: number, timeMs: number) => unknown);
export type Messages = readonly (readonly [topic: string, payload: Payload])[];

export const iso = (timeMs: number): string => new Date(timeMs).toISOString();

export type Case = readonly [name: string, messages: Messages, expected: Record<string, string[]>];

export const CAPTURES: readonly Case[] = [
  [
    'JSON, the quantity as the last level, one device',
    [
      ['house/boiler/temperature', (n) => ({ value: 60 + n, unit: 'C' })],
      ['house/boiler/pressure', (n) => ({ value: 1 + n, unit: 'bar' })],
      ['house/boiler/flow', (n) => ({ value: 5 + n, unit: 'l/min' })],
    ],
    { boiler: ['flow', 'pressure', 'temperature'] },
  ],
  [
    'JSON, the quantity as the last level, several devices',
    [
      ['house/boiler/temperature', (n) => ({ value: 60 + n })],
      ['house/boiler/flow', (n) => ({ value: 1 + n })],
      ['house/pump/temperature', (n) => ({ value: 30 + n })],
      ['house/pump/power', (n) => ({ value: 100 + n })],
    ],
    { boiler: ['flow', 'temperature'], pump: ['power', 'temperature'] },
  ],
  [
    'JSON with a time and a value, the quantity in the middle',
    [
      ['plant/line1/temperature/state', (n, ms) => ({ ts: ms, val: 60 + n })],
      ['plant/line1/speed/state', (n, ms) => ({ ts: ms, val: 1 + n })],
      ['plant/line2/temperature/state', (n, ms) => ({ ts: ms, val: 61 + n })],
      ['plant/line2/speed/state', (n, ms) => ({ ts: ms, val: 2 + n })],
    ],
    { line1: ['speed', 'temperature'], line2: ['speed', 'temperature'] },
  ],
  [
    'mqtt-smarthome',
    [
      ['hm/status/Bathroom/TEMPERATURE', (n, ms) => ({ val: 21 + n, ts: ms, lc: ms })],
      ['hm/status/Bathroom/HUMIDITY', (n, ms) => ({ val: 51 + n, ts: ms, lc: ms })],
      ['hm/status/Kitchen/TEMPERATURE', (n, ms) => ({ val: 22 + n, ts: ms, lc: ms })],
      ['hm/status/Kitchen/HUMIDITY', (n, ms) => ({ val: 52 + n, ts: ms, lc: ms })],
    ],
    { Bathroom: ['humidity', 'temperature'], Kitchen: ['humidity', 'temperature'] },
  ],
  [
    'zwave-js-ui, values with time',
    [
      [
        'zwave/Kitchen/sensor_multilevel/endpoint_0/Air_temperature',
        (n, ms) => ({ time: ms, value: 21 + n }),
      ],
      ['zwave/Kitchen/sensor_multilevel/endpoint_0/Humidity', (n, ms) => ({ time: ms, value: 41 + n })],
      ['zwave/Bath/sensor_multilevel/endpoint_0/Air_temperature', (n, ms) => ({ time: ms, value: 22 + n })],
      ['zwave/Bath/sensor_multilevel/endpoint_0/Humidity', (n, ms) => ({ time: ms, value: 42 + n })],
      ['zwave/Kitchen/status', (_, ms) => ({ time: ms, value: true, status: 'Alive', nodeId: 3 })],
      ['zwave/Bath/status', (_, ms) => ({ time: ms, value: true, status: 'Alive', nodeId: 4 })],
    ],
    { Bath: ['humidity', 'temperature'], Kitchen: ['humidity', 'temperature'] },
  ],
  [
    'scalars, a trailing slash',
    [
      ['home/attic/temperature/', (n) => `${20 + n}`],
      ['home/attic/humidity/', (n) => `${50 + n}`],
      ['home/cellar/temperature/', (n) => `${10 + n}`],
      ['home/cellar/humidity/', (n) => `${60 + n}`],
    ],
    { attic: ['humidity', 'temperature'], cellar: ['humidity', 'temperature'] },
  ],
  [
    'scalars, a leading slash',
    [
      ['/attic/temperature', (n) => `${20 + n}`],
      ['/attic/humidity', (n) => `${50 + n}`],
      ['/cellar/temperature', (n) => `${10 + n}`],
      ['/cellar/humidity', (n) => `${60 + n}`],
    ],
    { attic: ['humidity', 'temperature'], cellar: ['humidity', 'temperature'] },
  ],
  [
    'JSON, a leading and a trailing slash',
    [
      ['/dev/n1/', (n) => ({ temperature: 20 + n, humidity: 50 })],
      ['/dev/n2/', (n) => ({ temperature: 21 + n, humidity: 51 })],
    ],
    { n1: ['humidity', 'temperature'], n2: ['humidity', 'temperature'] },
  ],
  [
    'one JSON device with a trailing slash',
    [['garden/weather/', (n) => ({ temperature: 20 + n, humidity: 50 })]],
    { weather: ['humidity', 'temperature'] },
  ],
  [
    'scalars, one device',
    [
      ['home/attic/temperature', (n) => `${20 + n}`],
      ['home/attic/humidity', (n) => `${50 + n}`],
    ],
    { attic: ['humidity', 'temperature'] },
  ],
  [
    'scalars, the quantity before the device',
    [
      ['temperature/attic', (n) => `${20 + n}`],
      ['temperature/cellar', (n) => `${10 + n}`],
      ['humidity/attic', (n) => `${50 + n}`],
      ['humidity/cellar', (n) => `${60 + n}`],
    ],
    { attic: ['humidity', 'temperature'], cellar: ['humidity', 'temperature'] },
  ],
  [
    'unlike JSON on the topics of one device: parts of their own, so that no power replaces the other',
    [
      ['pv/inverter/ac', (n) => ({ power: 500 + n, voltage: 230 })],
      ['pv/inverter/dc', (n) => ({ power: 520 + n, voltage: 610 })],
    ],
    { ac: ['power', 'voltage'], dc: ['power', 'voltage'] },
  ],
  [
    'topics that end alike, of unlike payloads: two devices',
    [
      ['north/hall/data', (n) => ({ power: 500 + n, voltage: 230 })],
      ['south/hall/data', (n) => ({ temperature: 20 + n, humidity: 61 })],
    ],
    { 'north/hall': ['power', 'voltage'], 'south/hall': ['humidity', 'temperature'] },
  ],
  [
    'values under parts of two devices: the parts are no device',
    [
      ['barn/left/air/temperature', (n) => ({ v: 20 + n, t: 'C' })],
      ['barn/left/air/humidity', (n) => ({ v: 50 + n, t: '%' })],
      ['barn/right/air/temperature', (n) => ({ v: 21 + n, t: 'C' })],
    ],
    { left: ['humidity', 'temperature'], right: ['temperature'] },
  ],
  [
    'quantities without a known word, by what varies for one device',
    [
      ['press/m1/kanal1', (n) => ({ value: n })],
      ['press/m1/kanal2', (n) => ({ value: n })],
      ['press/m2/kanal1', (n) => ({ value: n })],
      ['press/m2/kanal2', (n) => ({ value: n })],
    ],
    { m1: ['kanal1', 'kanal2'], m2: ['kanal1', 'kanal2'] },
  ],
  [
    'devices of one value each stay devices',
    [
      ['sensors/n1', (n) => ({ value: n, unit: 'C' })],
      ['sensors/n2', (n) => ({ value: n, unit: 'C' })],
    ],
    { n1: ['temperature'], n2: ['temperature'] },
  ],
  [
    'values with their unit in objects',
    [
      [
        'box/b1',
        (n) => ({
          temperature: { value: 70 + n, unit: '°F' },
          humidity: { value: 40, unit: '%' },
          load: { value: '3' },
        }),
      ],
    ],
    { b1: ['humidity', 'load', 'temperature'] },
  ],
  [
    'zwave-js-ui, one node in a place',
    [
      [
        'zwave/attic/Sensor/sensor_multilevel/endpoint_0/Air_temperature',
        (n, ms) => ({ time: ms, value: 21 + n }),
      ],
      ['zwave/attic/Sensor/meter/endpoint_1/value/66049', (n, ms) => ({ time: ms, value: 41 + n })],
    ],
    { 'attic/Sensor': ['meter/endpoint_1/value/66049', 'temperature'] },
  ],
  [
    'zigbee2mqtt',
    [
      ['zigbee2mqtt/attic', (n) => ({ temperature: 20 + n, humidity: 50, linkquality: 90, battery: 97 })],
      ['zigbee2mqtt/cellar/left', (n) => ({ temperature: 10 + n, linkquality: 80 })],
      ['zigbee2mqtt/attic/availability', '{"state":"online"}'],
      ['zigbee2mqtt/bridge/state', '{"state":"online"}'],
    ],
    {
      attic: ['battery', 'humidity', 'linkquality', 'temperature'],
      'cellar/left': ['linkquality', 'temperature'],
    },
  ],
  [
    'Tasmota',
    [
      [
        'tele/plug/SENSOR',
        (n, ms) => ({ Time: iso(ms).slice(0, 19), ENERGY: { Power: 12 + n, Total: 3.2 }, TempUnit: 'C' }),
      ],
      [
        'tele/plug/STATE',
        (_, ms) => ({ Time: iso(ms).slice(0, 19), POWER: 'ON', Wifi: { RSSI: 70, Signal: -65 } }),
      ],
      ['tele/plug/LWT', 'Online'],
    ],
    { plug: ['ENERGY_Power', 'ENERGY_Total', 'rssi'] },
  ],
  [
    'Shelly Gen2',
    [
      [
        'shellyplus1pm-a8032abe54dc/events/rpc',
        (n, ms) => ({
          src: 'shellyplus1pm-a8032abe54dc',
          dst: 'x',
          method: 'NotifyStatus',
          params: { ts: ms / 1000, 'switch:0': { id: 0, apower: 8.9 + n } },
        }),
      ],
      ['shellyplus1pm-a8032abe54dc/online', 'true'],
    ],
    { 'shellyplus1pm-a8032abe54dc': ['apower'] },
  ],
  [
    'ESPHome',
    [
      ['livingroom/sensor/co2/state', (n) => `${600 + n}`],
      ['livingroom/sensor/temperature/state', (n) => `${21 + n}`],
      ['livingroom/status', 'online'],
      ['bedroom/sensor/temperature/state', (n) => `${19 + n}`],
    ],
    { bedroom: ['temperature'], livingroom: ['co2', 'temperature'] },
  ],
  [
    'Homie 4',
    [
      ['homie/weather/$state', 'ready'],
      ['homie/weather/$homie', '4.0'],
      ['homie/weather/outside/temperature', (n) => `${5 + n}`],
      ['homie/weather/outside/humidity', (n) => `${80 + n}`],
    ],
    { 'weather/outside': ['humidity', 'temperature'] },
  ],
  [
    'wmbusmeters',
    [
      [
        'wmbusmeters/MyTapWater',
        (n, ms) => ({
          media: 'cold water',
          meter: 'multical21',
          name: 'MyTapWater',
          id: '12345678',
          total_m3: 6.388 + n,
          target_m3: 6.377,
          flow_temperature_c: 8,
          current_status: 'DRY',
          timestamp: iso(ms),
        }),
      ],
      [
        'wmbusmeters/Hot',
        (n, ms) => ({
          media: 'warm water',
          meter: 'multical21',
          name: 'Hot',
          id: '87654321',
          total_m3: 3.388 + n,
          target_m3: 3.377,
          flow_temperature_c: 48,
          current_status: '',
          timestamp: iso(ms),
        }),
      ],
    ],
    {
      '12345678': ['flow_temperature_c', 'target_m3', 'total_m3'],
      '87654321': ['flow_temperature_c', 'target_m3', 'total_m3'],
    },
  ],
  [
    'CloudEvents of two sources',
    [
      [
        'events/plant',
        (n, ms) => ({
          specversion: '1.0',
          id: `a-${n}-${ms}`,
          source: '/s/1',
          type: 'r',
          time: iso(ms),
          data: { t: 1, power: n },
        }),
      ],
      [
        'events/plant',
        (n, ms) => ({
          specversion: '1.0',
          id: `b-${n}-${ms}`,
          source: '/s/2',
          type: 'r',
          time: iso(ms),
          data: { t: 1, power: n },
        }),
      ],
    ],
    { '/s/1': ['power', 't'], '/s/2': ['power', 't'] },
  ],
  [
    'OPC UA PubSub over JSON',
    [
      [
        'opcua/json/data/Publisher1/Group1/Writer1',
        (n, ms) => ({
          MessageId: `m${n}`,
          MessageType: 'ua-data',
          PublisherId: 'Publisher1',
          Messages: [
            {
              DataSetWriterId: 1,
              SequenceNumber: n,
              Timestamp: iso(ms),
              Payload: {
                Temperature: { Value: 20 + n, SourceTimestamp: iso(ms) },
                Speed: { Value: 7 + n, SourceTimestamp: iso(ms) },
              },
            },
          ],
        }),
      ],
    ],
    { Writer1: ['Speed', 'temperature'] },
  ],
  [
    'OPC Publisher samples',
    [
      [
        'opc/line1',
        (n, ms) => [
          {
            NodeId: 'ns=2;s=Temp',
            EndpointUrl: 'opc.tcp://p1:4840',
            Value: { Value: 20 + n, SourceTimestamp: iso(ms) },
          },
          {
            NodeId: 'ns=2;s=Speed',
            EndpointUrl: 'opc.tcp://p1:4840',
            Value: { Value: 3 + n, SourceTimestamp: iso(ms) },
          },
        ],
      ],
    ],
    { line1: ['ns=2;s=Speed', 'ns=2;s=Temp'] },
  ],
  [
    'ChirpStack v4',
    [
      [
        'application/a1/device/0101010101010101/event/up',
        (n, ms) => ({
          time: iso(ms),
          deviceInfo: { devEui: '0101010101010101', deviceName: 'x' },
          fCnt: n,
          object: { temperature: 20 + n, humidity: 40 },
          rxInfo: [{ rssi: -36, snr: 10.5 }],
        }),
      ],
      [
        'application/a1/device/0202020202020202/event/up',
        (n, ms) => ({
          time: iso(ms),
          deviceInfo: { devEui: '0202020202020202', deviceName: 'y' },
          fCnt: n,
          object: { temperature: 21 + n, humidity: 41 },
          rxInfo: [{ rssi: -46, snr: 9.5 }],
        }),
      ],
    ],
    {
      '0101010101010101': ['humidity', 'rssi', 'snr', 'temperature'],
      '0202020202020202': ['humidity', 'rssi', 'snr', 'temperature'],
    },
  ],
  [
    'strings that hold numbers in a batch',
    [
      [
        'logger/box1',
        (n, ms) => ({
          time: iso(ms),
          temperature_c: `${20 + n}.5`,
          wind_kmh: `${n}`,
          rain_mm: '0.2',
          pressure_hpa: '1013.2',
        }),
      ],
      [
        'logger/box2',
        (n, ms) => ({
          time: iso(ms),
          temperature_c: `${19 + n}.5`,
          wind_kmh: `${n}`,
          rain_mm: '0.4',
          pressure_hpa: '1012.2',
        }),
      ],
    ],
    {
      box1: ['pressure', 'rain_mm', 'temperature', 'wind_kmh'],
      box2: ['pressure', 'rain_mm', 'temperature', 'wind_kmh'],
    },
  ],
  [
    'strings beside numbers, nested',
    [
      ['meter/m1', (n) => ({ uptime: n, emeter: { power_w: `${100 + n}`, voltage_v: '230.1' } })],
      ['meter/m2', (n) => ({ uptime: n, emeter: { power_w: `${200 + n}`, voltage_v: '231.1' } })],
    ],
    {
      m1: ['emeter_power_w', 'emeter_voltage_v', 'uptime'],
      m2: ['emeter_power_w', 'emeter_voltage_v', 'uptime'],
    },
  ],
  [
    'a packet number that never repeats beside a device that does',
    [
      ['up', (n) => ({ id: 1000 + n * 2, node: 'n1', temperature: 20 })],
      ['up', (n) => ({ id: 1001 + n * 2, node: 'n2', temperature: 20 })],
    ],
    { n1: ['temperature'], n2: ['temperature'] },
  ],
  [
    'a short id that numbers the messages of one topic',
    [['gate/loop', (n) => ({ id: `msg-${n}`, temperature: 20 + n })]],
    { loop: ['temperature'] },
  ],
  [
    'Victron over the local broker, several services',
    [
      ['N/c0619ab/battery/288/Dc/0/Voltage', (n) => ({ value: 52 + n })],
      ['N/c0619ab/battery/288/Dc/0/Current', (n) => ({ value: 2 + n })],
      ['N/c0619ab/battery/512/Dc/0/Voltage', (n) => ({ value: 51 + n })],
      ['N/c0619ab/system/0/Serial', '{"value":"c0619ab"}'],
      ['N/c0619ab/keepalive', '{"value":1}'],
    ],
    {
      'c0619ab/battery/288': ['Dc/0/Current', 'Dc/0/Voltage'],
      'c0619ab/battery/512': ['Dc/0/Voltage'],
    },
  ],
  [
    'The Things Stack v3',
    [
      [
        'v3/app@tenant/devices/dev-1/up',
        (n, ms) => ({
          end_device_ids: { device_id: 'dev-1', dev_eui: '70B3D57ED0000001' },
          received_at: iso(ms),
          uplink_message: {
            f_port: 1,
            decoded_payload: { temperature: 20 + n },
            received_at: iso(ms),
            rx_metadata: [{ rssi: -35, snr: 5 }],
          },
        }),
      ],
    ],
    { 'dev-1': ['rssi', 'snr', 'temperature'] },
  ],
];
