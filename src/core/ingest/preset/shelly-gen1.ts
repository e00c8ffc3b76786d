import { type Doc, emptyDoc, isObject, own } from '../mapping/document.ts';
import { IGNORED } from '../mapping/draft.ts';
import type { Shape } from '../mapping/split.ts';
import { convertFrom } from '../mapping/unit.ts';
import type { Preset } from './preset.ts';
import { type Recognition, nonTelemetry, telemetry, withBase } from './recognition.ts';
import type { Observed } from './samples.ts';

const NUMBERED: Readonly<Record<string, readonly string[]>> = {
  relay: ['power', 'energy', 'overpower_value'],
  roller: ['pos', 'power', 'energy'],
  light: ['power', 'energy', 'overpower_value'],
  white: ['power', 'energy'],
  color: ['power', 'energy'],
  emeter: [
    'power',
    'reactive_power',
    'apparent_power',
    'voltage',
    'current',
    'pf',
    'energy',
    'returned_energy',
    'total',
    'total_returned',
  ],
};
const CHANNELS = [0, 1, 2, 3];

/** Topics as metrics: what a sensor measures by its usual name, the channels of a device by kind, number and name. */
const METRICS: Readonly<Record<string, string>> = Object.fromEntries([
  ...['temperature', 'humidity', 'battery', 'lux', 'tilt'].map((name) => [`sensor/${name}`, name]),
  ['sensor/concentration', 'concentration'],
  // The relay's own temperature is not that of the room.
  ['temperature', 'device_temperature'],
  ['emeter_n/current', 'emeter_n_current'],
  ['bat', 'battery'],
  // Shelly 2: one meter for both relays.
  ['relay/power', 'relay_power'],
  ['relay/energy', 'relay_energy'],
  ...CHANNELS.flatMap((channel) => [
    [`ext_temperature/${channel}`, `ext_temperature_${channel}`],
    [`ext_humidity/${channel}`, `ext_humidity_${channel}`],
    [`adc/${channel}`, `adc_${channel}`],
    [`input/${channel}`, `input_${channel}`],
    [`ext_switch/${channel}`, `ext_switch_${channel}`],
    ...Object.entries(NUMBERED).flatMap(([kind, names]) =>
      names.map((name) => [`${kind}/${channel}/${name}`, `${kind}_${channel}_${name}`]),
    ),
  ]),
]) as Record<string, string>;

/** Words (on, off, open, bright), commands and JSON that repeats: nothing that could be stored. */
const NOT_TELEMETRY =
  /\/(?:(?:relay|roller|light|white|color)\/\d+(?:\/(?:command|set|status|stop_reason))?|command|announce|online|longpush\/\d+|input_event\/\d+|temperature_(?:status|f)|ext_temperatures(?:_f)?|ext_temperature_f\/\d+|ext_humidities|sensor\/(?:state|illumination|act_reasons|error|operation|gas|self_test|ext_power|charger|temperature_status|n\/a)|valve\/\d+\/state|settings|[\w/]+\/command(?:\/\w+)*)$/;

const DEVICE = /^shelly[a-z0-9]+-[0-9a-f]{6,12}$/i;
const FIRST_GENERATION =
  /^(?:relay|roller|light|white|color|emeter|emeter_n|sensor|input|adc|ext_temperature|temperature|status|info|online|announce|command)$/;

function recognise({ levels, topic, content, document }: Observed): Recognition | undefined {
  const found = levels.findIndex((level) => DEVICE.test(level));
  // Behind the vendor's base a device may have a name that its owner chose.
  const at = found >= 0 ? found : levels.indexOf('shellies') + 1;
  if (at < 1 || !FIRST_GENERATION.test(levels[at + 1] ?? '') || levels[at + 1] === 'events') return undefined;
  // Later generations have JSON in status/<component>.
  if (levels[at + 1] === 'status' && levels.length > at + 2) return undefined;
  const config = withBase(levels.slice(0, at), 'shellies');
  const measures = content.kind === 'number' || (levels.at(-1) === 'status' && document !== undefined);
  return measures && !NOT_TELEMETRY.test(topic) ? telemetry(config) : nonTelemetry(config);
}

const fromFahrenheit = convertFrom('F');

/** A thermostat shows, and sends, the unit that its owner chose. */
function celsius(value: unknown, units: unknown): unknown {
  return units === 'F' && typeof value === 'number' ? fromFahrenheit(value) : value;
}

/** The measurements in a status: its temperature in °C, unless it is invalid; the battery's charge and voltage. */
function measured(status: Doc): Doc {
  const metrics = emptyDoc();
  for (const key of Object.keys(status)) {
    const value = status[key];
    if (!isObject(value)) metrics[key] = value;
    else if (key === 'tmp') {
      // `temperature` is the topic of a relay's own.
      if (own(value, 'is_valid') !== false) metrics['tC'] = celsius(own(value, 'value'), own(value, 'units'));
    } else if (key === 'bat') {
      metrics['battery'] = own(value, 'value');
      metrics['battery_voltage'] = own(value, 'voltage');
    } else if (key === 'target_t')
      metrics[key] = { ...value, value: celsius(own(value, 'value'), own(value, 'units')) };
    else metrics[key] = value;
  }
  return metrics;
}

/** Where the valve of a thermostat stands, and its voltage, are in its `info` only; that of others repeats what they send. */
const shape: Shape = (record, { metric }, outer) => {
  if (metric !== 'info') return { record, outer, metrics: measured(record) };
  const thermostats = own(record, 'thermostats');
  const first: unknown = Array.isArray(thermostats) ? thermostats[0] : undefined;
  if (!isObject(first)) return IGNORED;
  const { pos, target_t, tmp } = first;
  return { record, outer, metrics: measured({ pos, target_t, tmp, bat: own(record, 'bat') }) };
};

/** Shelly of the first generation: one value per topic; Shelly Motion and Shelly TRV send one JSON object. */
export const shellyGen1: Preset = {
  name: 'shelly-gen1',
  summary: 'Shelly devices of the first generation',
  statesUnits: true,
  defaults: ({ base_topic: base = 'shellies' }) => ({
    codec: 'auto',
    topic: `${base}/{device}/{metric...}`,
    metric_map: METRICS,
    // Shelly Motion sends 0 before it knows the time.
    on_bad_time: 'received',
  }),
  shape: () => shape,
  ignores: (topic) => NOT_TELEMETRY.test(topic),
  availability: ({ base_topic: base = 'shellies' }) => [{ topic: `${base}/{device}/online` }],
  rest: ({ base_topic: base = 'shellies' }) => [`${base}/#`],
  recognise,
};
