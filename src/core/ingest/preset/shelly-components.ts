import { type Doc, emptyDoc, isForbiddenKey, isObject, lookup, own, pointer } from '../mapping/document.ts';

type Reads = readonly (readonly [name: string, path: ReturnType<typeof pointer>])[];

const reads = (paths: Readonly<Record<string, string>>): Reads =>
  Object.entries(paths).map(([name, path]) => [name, pointer(path)]);

/** Components whose measurements have names of their own here; the others are read by their numeric keys. */
const NAMED: ReadonlyMap<string, Reads> = new Map([
  ['temperature', reads({ temperature: '/tC' })],
  ['humidity', reads({ humidity: '/rh' })],
  ['devicepower', reads({ battery: '/battery/percent', battery_voltage: '/battery/V' })],
  ['wifi', reads({ rssi: '/rssi' })],
  // Their ids come from one range, so number:200 and bthomesensor:200 are one instance here: a name for each kind.
  ['number', reads({ number: '/value' })],
  ['boolean', reads({ boolean: '/value' })],
]);

/** Counts its own instances from 200, as the virtual and Bluetooth components do: all its values are named after it. */
const OWN_NAMES = new Set(['presencezone']);

/** Components that measure nothing, by the vendor's list: connections, screens, scripts, texts. */
const NEVER =
  /^(?:sys|cloud|mqtt|ble|ws|eth|modbus|matter|zigbee|knx|dali|lora|script|schedule|webhook|http|kvs|bthome|blugw|ui|\w+_ui|wd_ui|text|enum|button|group|object|service|media|camera|cury)$/;

/** Members that name, count packets, configure or repeat; `tF` is `tC` again, and `by_minute` the past of a total. */
const NOT_MEASURED =
  /^(?:id|ts|\w+_ts|\w+_at|source|errors|flags|timer_\w+|transition|x?by_minute|packet_id|fw_id|ver|cfg_rev|last_\w+|tF|\w+_F|rgb|rgbw|mode|state_counter)$/;

const EXTERNAL = pointer('/external/present');
const MAX_LEVELS = 3;

/** True for a component that never measures anything: its messages are no telemetry. */
export const neverMeasures = (component: string): boolean => NEVER.test(kindOf(component));

/** `switch` of `switch:1`. */
export const kindOf = (component: string): string => component.split(':')[0] ?? '';

/** The measurements in a component's status; undefined if it cannot measure. A removed component comes as null. */
export function componentMetrics(component: string, status: unknown): Doc | undefined {
  if (!isObject(status) || neverMeasures(component)) return undefined;
  const kind = kindOf(component);
  // On USB power a battery that is not there reports 0 %.
  if (kind === 'devicepower' && lookup(status, EXTERNAL) === true) return undefined;
  const named = NAMED.get(kind);
  const metrics = emptyDoc();
  if (named === undefined) {
    addNumeric(metrics, OWN_NAMES.has(kind) ? `${kind}_` : '', status, MAX_LEVELS);
    return Object.keys(metrics).length === 0 ? undefined : metrics;
  }
  for (const [name, path] of named) {
    const value = lookup(status, path);
    if (value !== undefined && value !== null) metrics[name] = value;
  }
  return metrics;
}

function addNumeric(metrics: Record<string, unknown>, prefix: string, node: Doc, levels: number): void {
  for (const key of Object.keys(node)) {
    const value = node[key];
    if (NOT_MEASURED.test(key) || isForbiddenKey(key) || value === null || typeof value === 'string')
      continue;
    // The relay's own temperature is not that of the room.
    if (key === 'temperature' && isObject(value)) metrics[`${prefix}device_temperature`] = own(value, 'tC');
    else if (!isObject(value)) {
      if (!Array.isArray(value) || value.some((item) => typeof item === 'number'))
        metrics[prefix + key] = value;
    } else if (levels > 1) addNumeric(metrics, `${prefix}${key}_`, value, levels - 1);
  }
}
