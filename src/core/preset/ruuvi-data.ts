/** Bluetooth assigned numbers: manufacturer specific data, and Ruuvi Innovations in little endian. */
const MANUFACTURER_DATA = 0xff;

/** Which reader for which format, by the first byte; and how long the data is at least. */
const FORMATS: ReadonlyMap<number, { readonly bytes: number; readonly read: (data: DataView) => Metrics }> =
  new Map([
    [5, { bytes: 24, read: df5 }],
    [6, { bytes: 20, read: df6 }],
  ]);

type Metrics = Record<string, number>;

/** The metrics of an advertisement in data format 5 (RuuviTag) or 6 (Ruuvi Air); undefined if it is neither. */
export function readRuuvi(hex: string): Readonly<Metrics> | undefined {
  // An advertisement has at most 255 bytes.
  if (hex.length > 510 || !/^(?:[0-9a-f]{2})+$/i.test(hex)) return undefined;
  const bytes = Uint8Array.from({ length: hex.length / 2 }, (_, at) =>
    parseInt(hex.slice(2 * at, 2 * at + 2), 16),
  );
  const data = manufacturerData(bytes);
  const format = FORMATS.get(data?.[0] ?? -1);
  if (data === undefined || format === undefined || data.length < format.bytes) return undefined;
  return format.read(new DataView(data.buffer, data.byteOffset, data.byteLength));
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

/** Of the air quality only what has a unit: the indexes of gases and the light on its scale of 254 steps have none. */
function df6(view: DataView): Metrics {
  const { metrics, add } = collector();
  climate(view, add);
  const dust = view.getUint16(7);
  add('pm2_5', dust, 0xffff, dust / 10);
  const co2 = view.getUint16(9);
  add('co2', co2, 0xffff, co2);
  return metrics;
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
