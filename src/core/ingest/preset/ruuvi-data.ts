/** Bluetooth assigned numbers: manufacturer specific data, and Ruuvi Innovations in little endian. */
const MANUFACTURER_DATA = 0xff;

/** Which reader for which format, by the first byte; and how long the data is at least. */
const FORMATS: ReadonlyMap<number, { readonly bytes: number; readonly read: (data: DataView) => Metrics }> =
  new Map([
    [3, { bytes: 14, read: df3 }],
    [5, { bytes: 24, read: df5 }],
    [6, { bytes: 20, read: df6 }],
    [0xe1, { bytes: 40, read: e1 }],
  ]);

type Metrics = Record<string, number>;

/** Values of a format that are not taken, so that they are counted. */
const LEFT_OUT: ReadonlyMap<number, readonly string[]> = new Map([
  [6, ['voc_index', 'nox_index', 'luminosity']],
]);

export interface RuuviData {
  readonly metrics: Readonly<Metrics>;
  readonly leftOut: readonly string[];
}

/** The metrics of an advertisement in data format 3 or 5 (RuuviTag), 6 or E1 (Ruuvi Air); undefined for anything else. */
export function readRuuvi(hex: string): RuuviData | undefined {
  // An advertisement has at most 255 bytes.
  if (hex.length > 510 || !/^(?:[0-9a-f]{2})+$/i.test(hex)) return undefined;
  const bytes = Uint8Array.from({ length: hex.length / 2 }, (_, at) =>
    parseInt(hex.slice(2 * at, 2 * at + 2), 16),
  );
  const data = manufacturerData(bytes);
  const kind = data?.[0] ?? -1;
  const format = FORMATS.get(kind);
  if (data === undefined || format === undefined || data.length < format.bytes) return undefined;
  const metrics = format.read(new DataView(data.buffer, data.byteOffset, data.byteLength));
  return { metrics, leftOut: LEFT_OUT.get(kind) ?? [] };
}

/** Walks the structures of the advertisement: length, type, data. */
function manufacturerData(bytes: Uint8Array): Uint8Array | undefined {
  for (let at = 0; at + 1 < bytes.length;) {
    const length = bytes[at] ?? 0;
    const end = at + 1 + length;
    if (length === 0 || end > bytes.length) return undefined;
    if (bytes[at + 1] === MANUFACTURER_DATA && bytes[at + 2] === 0x99 && bytes[at + 3] === 0x04)
      return bytes.subarray(at + 4, end);
    at = end;
  }
  return undefined;
}

/** Each field has a value that means "not available"; such a metric is left out. */
function collector(): {
  metrics: Metrics;
  add: (name: string, raw: number, none: number, value: number) => void;
} {
  const metrics: Metrics = {};
  return { metrics, add: (name, raw, none, value) => void (raw !== none && (metrics[name] = value)) };
}

function climate(view: DataView, add: ReturnType<typeof collector>['add']): void {
  const temperature = view.getInt16(1);
  add('temperature', temperature, -0x8000, temperature / 200);
  const humidity = view.getUint16(3);
  add('humidity', humidity, 0xffff, humidity / 400);
  const pressure = view.getUint16(5);
  add('pressure', pressure, 0xffff, (pressure + 50_000) / 100);
}

/** A Ruuvi Air sends it in addition to E1, which has the indexes of gases and the light of it too, and more exactly. */
function df6(view: DataView): Metrics {
  const { metrics, add } = collector();
  climate(view, add);
  const dust = view.getUint16(7);
  add('pm2_5', dust, 0xffff, dust / 10);
  const co2 = view.getUint16(9);
  add('co2', co2, 0xffff, co2);
  return metrics;
}

function e1(view: DataView): Metrics {
  const { metrics, add } = collector();
  climate(view, add);
  for (const [index, name] of ['pm1', 'pm2_5', 'pm4', 'pm10'].entries()) {
    const dust = view.getUint16(7 + 2 * index);
    add(name, dust, 0xffff, dust / 10);
  }
  const co2 = view.getUint16(15);
  add('co2', co2, 0xffff, co2);
  // Nine bits, whose lowest one is among the flags.
  const flags = view.getUint8(28);
  for (const [index, name] of ['voc_index', 'nox_index'].entries()) {
    const value = (view.getUint8(17 + index) << 1) | ((flags >> (6 + index)) & 1);
    add(name, value, 511, value);
  }
  const light = view.getUint32(18) & 0xffffff;
  add('luminosity', light, 0xffffff, light / 100);
  const sequence = view.getUint32(24) & 0xffffff;
  add('measurement_sequence', sequence, 0xffffff, sequence);
  return metrics;
}

/** RAWv1, of the firmware before 2.0: the temperature is sign, whole degrees and hundredths. No value means "not available". */
function df3(view: DataView): Metrics {
  const whole = view.getUint8(2);
  const degrees = (whole & 0x7f) + view.getUint8(3) / 100;
  return {
    humidity: view.getUint8(1) / 2,
    temperature: whole > 0x7f ? 0 - degrees : degrees,
    pressure: (view.getUint16(4) + 50_000) / 100,
    acceleration_x: view.getInt16(6) / 1000,
    acceleration_y: view.getInt16(8) / 1000,
    acceleration_z: view.getInt16(10) / 1000,
    battery_voltage: view.getUint16(12) / 1000,
  };
}

function df5(view: DataView): Metrics {
  const { metrics, add } = collector();
  climate(view, add);
  for (const [index, axis] of ['x', 'y', 'z'].entries()) {
    const acceleration = view.getInt16(7 + 2 * index);
    add(`acceleration_${axis}`, acceleration, -0x8000, acceleration / 1000);
  }
  const power = view.getUint16(13);
  add('battery_voltage', power >> 5, 2047, ((power >> 5) + 1600) / 1000);
  add('tx_power', power & 31, 31, (power & 31) * 2 - 40);
  const movements = view.getUint8(15);
  add('movement_counter', movements, 0xff, movements);
  const sequence = view.getUint16(16);
  add('measurement_sequence', sequence, 0xffff, sequence);
  return metrics;
}
