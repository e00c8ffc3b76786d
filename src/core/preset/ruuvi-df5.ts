/** Bluetooth assigned numbers: manufacturer specific data, and Ruuvi Innovations in little endian. */
const MANUFACTURER_DATA = 0xff;
const DF5 = 5;
const DF5_BYTES = 24;

/** The metrics of a RuuviTag's advertisement in data format 5 (RAWv2); undefined if it is none. */
export function readRuuvi(hex: string): Readonly<Record<string, number>> | undefined {
  // An advertisement has at most 255 bytes.
  if (hex.length > 510 || !/^(?:[0-9a-f]{2})+$/i.test(hex)) return undefined;
  const bytes = Uint8Array.from({ length: hex.length / 2 }, (_, at) =>
    parseInt(hex.slice(2 * at, 2 * at + 2), 16),
  );
  const data = manufacturerData(bytes);
  return data === undefined || data.length < DF5_BYTES || data[0] !== DF5 ? undefined : df5(data);
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
function df5(data: Uint8Array): Record<string, number> {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const metrics: Record<string, number> = {};
  const add = (name: string, raw: number, none: number, value: number): void => {
    if (raw !== none) metrics[name] = value;
  };
  const temperature = view.getInt16(1);
  add('temperature', temperature, -0x8000, temperature / 200);
  const humidity = view.getUint16(3);
  add('humidity', humidity, 0xffff, humidity / 400);
  const pressure = view.getUint16(5);
  add('pressure', pressure, 0xffff, (pressure + 50_000) / 100);
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
