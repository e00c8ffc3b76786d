import { type Doc, emptyDoc, own } from '../mapping/document.ts';
import type { RuuviData } from './ruuvi-data.ts';

/** Keys about the message, and not the tag. */
const NOT_MEASURED =
  /^(?:gw_mac|gwts|ts|rssi|aoa|coords|data|dataFormat|data_format|id|mac|name|tagID|flag_\w+|\w+InProgress)$/;

const thousandth = (value: number) => value / 1000;

/** Names of the gateway's firmware, and of the libraries that others decode with; there acceleration and battery are thousandths. */
const NAMES: Readonly<Record<string, readonly [name: string, convert?: (value: number) => number]>> = {
  // Pa; some have made hPa of it.
  pressure: ['pressure', (value) => (value > 2000 ? value / 100 : value)],
  accelX: ['acceleration_x'],
  accelY: ['acceleration_y'],
  accelZ: ['acceleration_z'],
  accelerationX: ['acceleration_x', thousandth],
  accelerationY: ['acceleration_y', thousandth],
  accelerationZ: ['acceleration_z', thousandth],
  acceleration_x: ['acceleration_x', thousandth],
  acceleration_y: ['acceleration_y', thousandth],
  acceleration_z: ['acceleration_z', thousandth],
  voltage: ['battery_voltage'],
  battery: ['battery_voltage', (value) => (value > 100 ? value / 1000 : value)],
  txPower: ['tx_power'],
  movementCounter: ['movement_counter'],
  measurementSequenceNumber: ['measurement_sequence'],
  measurement_sequence_number: ['measurement_sequence'],
  'PM1.0': ['pm1'],
  'PM2.5': ['pm2_5'],
  'PM4.0': ['pm4'],
  'PM10.0': ['pm10'],
  CO2: ['co2'],
  VOC: ['voc_index'],
  NOx: ['nox_index'],
  NOX: ['nox_index'],
};

/** The metrics of a message whose sender has decoded the advertisement; undefined if it is not from a tag. */
export function readDecoded(record: Doc): RuuviData | undefined {
  const metrics: Record<string, number> = emptyDoc() as Record<string, number>;
  for (const key of Object.keys(record)) {
    const value = own(record, key);
    if (typeof value !== 'number' || NOT_MEASURED.test(key)) continue;
    const [name = key, convert] = NAMES[key] ?? [];
    metrics[name] = convert === undefined ? value : convert(value);
  }
  const isTag = ['temperature', 'humidity', 'pressure'].some((name) => metrics[name] !== undefined);
  return isTag ? { metrics, leftOut: [] } : undefined;
}
