import { type Convert, convertFrom } from './unit.ts';

/** A well-known name of a metric: what it becomes, and which name wins when several are there. */
export interface Alias {
  readonly name: string;
  /** Lower wins: the list order of the contract, °C before °F. */
  readonly rank: number;
  readonly convert: Convert | undefined;
}

const ALIASES: ReadonlyMap<string, Alias> = table([
  ['temperature', ['temperature', 'temp', 'tempc', 'temp_c', 'temperature_c', 'tc']],
  // Only without a °C key: they come later in rank.
  ['temperature', ['tempf', 'temp_f', 'temperature_f'], convertFrom('F')],
  ['humidity', ['humidity', 'hum', 'rh', 'relative_humidity', 'relativehumidity']],
  ['pressure', ['pressure', 'pres', 'pressure_hpa', 'pressure_mbar', 'barometric_pressure']],
  ['pressure', ['pressure_kpa'], convertFrom('kPa')],
  ['pressure', ['pressure_pa'], convertFrom('Pa')],
  ['pressure', ['pressure_inhg'], convertFrom('inHg')],
  ['pressure', ['pressure_mmhg'], convertFrom('mmHg')],
  ['pressure', ['pressure_psi'], convertFrom('psi')],
  ['battery', ['battery', 'batt', 'battery_level', 'batterylevel', 'battery_percent']],
  ['battery', ['battery_ok'], convertFrom('0..1')],
  ['rssi', ['rssi']],
  ['battery_voltage', ['volt', 'battery_v']],
  ['battery_voltage', ['battery_mv'], convertFrom('mV')],
]);

function table(rows: readonly (readonly [string, readonly string[], Convert?])[]): Map<string, Alias> {
  const aliases = new Map<string, Alias>();
  for (const [name, keys, convert] of rows)
    for (const key of keys) aliases.set(key, { name, rank: aliases.size, convert });
  return aliases;
}

/** Case-insensitive; only top-level keys are looked up. */
export function aliasOf(key: string): Alias | undefined {
  return ALIASES.get(key.toLowerCase());
}
