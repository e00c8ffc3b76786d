import type { Observed } from '../learn/observed.ts';
import { beside, telemetry, type Recognition } from '../learn/recognition.ts';
import { emptyDoc, isObject, lookup, own, pointer, type Doc } from '../mapping/document.ts';
import { IGNORED, NO_METRICS, type Draft } from '../mapping/draft.ts';
import type { Shape } from '../mapping/split.ts';
import type { Preset } from './preset.ts';

type Reads = readonly (readonly [name: string, path: ReturnType<typeof pointer>])[];

const reads = (paths: Readonly<Record<string, string>>): Reads =>
  Object.entries(paths).map(([name, path]) => [name, pointer(path)]);

const SWITCH_LIKE = reads({
  output: '/output',
  apower: '/apower',
  voltage: '/voltage',
  current: '/current',
  freq: '/freq',
  pf: '/pf',
  aenergy_total: '/aenergy/total',
  ret_aenergy_total: '/ret_aenergy/total',
  // The relay's own temperature says nothing about the room.
  device_temperature: '/temperature/tC',
});

const COMPONENTS: ReadonlyMap<string, Reads> = new Map([
  ['temperature', reads({ temperature: '/tC' })],
  ['humidity', reads({ humidity: '/rh' })],
  ['devicepower', reads({ battery: '/battery/percent', battery_voltage: '/battery/V' })],
  ['wifi', reads({ rssi: '/rssi' })],
  ['switch', SWITCH_LIKE],
  ['pm1', SWITCH_LIKE],
  ['em1', SWITCH_LIKE],
  ['cover', SWITCH_LIKE],
]);

const EXTERNAL = pointer('/external/present');

/** Adds what `component` (`switch:1`) measures to its instance's metrics. */
function addComponent(
  instances: Map<string, Record<string, unknown>>,
  component: string,
  status: unknown,
): void {
  const [kind = '', instance = '0'] = component.split(':');
  const paths = COMPONENTS.get(kind);
  // A component that is gone comes as null.
  if (paths === undefined || !isObject(status)) return;
  // On USB power a battery that is not there reports 0 %.
  if (kind === 'devicepower' && lookup(status, EXTERNAL) === true) return;
  const metrics = instances.get(instance) ?? emptyDoc();
  instances.set(instance, metrics);
  for (const [name, path] of paths) {
    const value = lookup(status, path);
    if (value !== undefined && value !== null) metrics[name] = value;
  }
}

function drafts(
  record: Doc,
  components: readonly (readonly [string, unknown])[],
  parts: Partial<Draft>,
): Draft[] {
  const instances = new Map<string, Record<string, unknown>>();
  for (const [component, status] of components) addComponent(instances, component, status);
  return [...instances].map(([instance, metrics]) => ({
    record,
    metrics,
    verbatim: true,
    ...parts,
    suffix: instance === '0' ? undefined : `:${instance}`,
  }));
}

const shape: Shape = (record, { captures }) => {
  const component = captures.get('component');
  const id = captures.get('shelly');
  const params = own(record, 'params');
  if (component === undefined && !String(own(record, 'method')).startsWith('Notify')) return IGNORED;
  if (component === undefined && own(record, 'method') === 'NotifyEvent') return IGNORED;
  const found =
    component !== undefined
      ? drafts(record, [[component, record]], { device: id, time: null })
      : isObject(params)
        ? drafts(record, Object.entries(params), {
            device: own(record, 'src') ?? id,
            time: own(params, 'ts') ?? null,
          })
        : [];
  return found.length === 0 ? NO_METRICS : found;
};

/** Components with nothing to measure, which tell a Shelly all the same. */
const OTHERS =
  /^(?:sys|cloud|mqtt|ble|ws|ui|eth|modbus|matter|input|light|script|pm1data|em|emdata|em1data)$/;

function recognise({ levels, document }: Observed): Recognition | undefined {
  const [id = '', kind, last = ''] = levels.slice(-3);
  if (levels.length < 3 || document === undefined) return undefined;
  const config = levels.length === 3 ? {} : { base_topic: levels.slice(0, -3).join('/') };
  if (kind === 'events' && last === 'rpc' && own(document, 'src') !== undefined) {
    const method = own(document, 'method');
    if (method === 'NotifyStatus' || method === 'NotifyFullStatus') return telemetry(config);
    return method === 'NotifyEvent' ? beside(config) : undefined;
  }
  const [component = '', instance] = last.split(':');
  if (kind !== 'status' || id === '') return undefined;
  // `temperature:0` names itself; `wifi` alone could be anybody's.
  const sure = instance !== undefined && own(document, 'id') === Number(instance);
  if (!sure && !/^shelly/i.test(id)) return undefined;
  if (COMPONENTS.has(component)) return telemetry(config);
  return OTHERS.test(component) ? beside(config) : undefined;
}

const prefix = (base: string | undefined): string => (base === undefined ? '' : `${base}/`);

/** Shelly Gen2 and later: notifications, and the status topics of `status_ntf`. */
export const shellyGen2: Preset = {
  name: 'shelly-gen2',
  summary: 'Shelly devices of the second generation and later',
  defaults: ({ base_topic }) => ({
    codec: 'json',
    topic: [`${prefix(base_topic)}{shelly}/events/rpc`, `${prefix(base_topic)}{shelly}/status/{component}`],
  }),
  rest: ({ base_topic }) =>
    ['online', 'events/#', 'status/#', 'rpc', 'command/#', 'debug/#'].map(
      (topic) => `${prefix(base_topic)}{shelly}/${topic}`,
    ),
  shape: () => shape,
  recognise,
};
