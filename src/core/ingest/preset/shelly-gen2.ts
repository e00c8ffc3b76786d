import { type Doc, emptyDoc, isObject, own } from '../mapping/document.ts';
import { type Draft, IGNORED } from '../mapping/draft.ts';
import { LossTally, setMetric } from '../mapping/losses.ts';
import type { Shape } from '../mapping/split.ts';
import type { Preset } from './preset.ts';
import { type Recognition, nonTelemetry, telemetry } from './recognition.ts';
import type { Observed } from './samples.ts';
import { componentMetrics, kindOf, neverMeasures } from './shelly-components.ts';

interface Instance {
  readonly metrics: Record<string, unknown>;
  readonly losses: LossTally;
}

/** Adds what `component` (`switch:1`) measures to its instance's metrics. */
function addComponent(instances: Map<string, Instance>, component: string, status: unknown): void {
  const metrics = componentMetrics(component, status);
  if (metrics === undefined) return;
  const [, number = '0'] = component.split(':');
  const instance = instances.get(number) ?? { metrics: emptyDoc(), losses: new LossTally() };
  instances.set(number, instance);
  for (const name of Object.keys(metrics)) setMetric(instance.metrics, name, metrics[name], instance.losses);
}

function drafts(
  record: Doc,
  components: readonly (readonly [string, unknown])[],
  parts: Partial<Draft>,
): Draft[] {
  const instances = new Map<string, Instance>();
  for (const [component, status] of components) addComponent(instances, component, status);
  return [...instances].map(([instance, { metrics, losses }]) => ({
    record,
    metrics,
    losses,
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
  // A component that cannot measure, or has no current value, is not a fault.
  return found.length === 0 ? IGNORED : found;
};

function recognise({ levels, document }: Observed): Recognition | undefined {
  const [id = '', kind, last = ''] = levels.slice(-3);
  if (levels.length < 3 || document === undefined) return undefined;
  const config = levels.length === 3 ? {} : { base_topic: levels.slice(0, -3).join('/') };
  if (kind === 'events' && last === 'rpc' && own(document, 'src') !== undefined) {
    const method = own(document, 'method');
    if (method === 'NotifyStatus' || method === 'NotifyFullStatus') return telemetry(config);
    return method === 'NotifyEvent' ? nonTelemetry(config) : undefined;
  }
  const component = kindOf(last);
  const instance = last.split(':')[1];
  if (kind !== 'status' || id === '') return undefined;
  // `temperature:0` identifies itself; `wifi` alone is ambiguous.
  const sure = instance !== undefined && own(document, 'id') === Number(instance);
  if (!sure && !/^shelly/i.test(id)) return undefined;
  return neverMeasures(component) ? nonTelemetry(config) : telemetry(config);
}

const prefix = (base: string | undefined): string => (base === undefined ? '' : `${base}/`);

/** Shelly Gen2 and later: notifications, and the status topics of `status_ntf`. */
export const shellyGen2: Preset = {
  name: 'shelly-gen2',
  summary: 'Shelly devices of the second generation and later',
  statesUnits: true,
  defaults: ({ base_topic }) => ({
    codec: 'json',
    topic: [`${prefix(base_topic)}{shelly}/events/rpc`, `${prefix(base_topic)}{shelly}/status/{component}`],
  }),
  availability: ({ base_topic }) => [
    { topic: `${prefix(base_topic)}{shelly}/online`, device: '{shelly}', parts: true },
  ],
  rest: ({ base_topic }) =>
    ['online', 'events/#', 'status/#', 'rpc', 'command/#', 'debug/#'].map(
      (topic) => `${prefix(base_topic)}{shelly}/${topic}`,
    ),
  shape: () => shape,
  recognise,
};
