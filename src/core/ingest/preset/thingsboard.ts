import { type Doc, isForbiddenKey, isObject, own } from '../mapping/document.ts';
import { type Element, NO_METRICS } from '../mapping/draft.ts';
import type { Shape } from '../mapping/split.ts';
import type { Preset } from './preset.ts';
import { type Recognition, nonTelemetry, telemetry as measured } from './recognition.ts';
import type { Observed } from './samples.ts';

/** `{ts, values}`, or the values alone. */
function telemetry(record: Doc, parts: { device?: unknown }): Element {
  const values = own(record, 'values');
  return { record, metrics: isObject(values) ? values : record, ...parts };
}

const deviceShape: Shape = (record) => telemetry(record, {});

/** A map of devices, each with an array of telemetry. */
const gatewayShape: Shape = (record) => {
  const elements: Element[] = [];
  for (const [device, list] of Object.entries(record)) {
    if (isForbiddenKey(device)) continue;
    for (const item of Array.isArray(list) ? (list as unknown[]) : [list])
      elements.push(isObject(item) ? telemetry(item, { device }) : NO_METRICS);
  }
  return elements.length === 0 ? NO_METRICS : elements;
};

/** All devices share one topic, so the device gets a name here; the operator knows a better one. */
function recogniseDevice({ topic, document, content }: Observed): Recognition | undefined {
  const config = { device: 'thingsboard' };
  if (topic === 'v1/devices/me/telemetry' && content.kind === 'tree') return measured(config);
  return topic.startsWith('v1/devices/me/') && document !== undefined ? nonTelemetry(config) : undefined;
}

function recogniseGateway({ topic, document }: Observed): Recognition | undefined {
  if (!topic.startsWith('v1/gateway/') || document === undefined) return undefined;
  return topic === 'v1/gateway/telemetry' ? measured() : nonTelemetry();
}

/** The topic names no device (the credentials do): set `device`, or use one from the payload. */
export const thingsboard: Preset = {
  name: 'thingsboard',
  summary: 'telemetry in the form of the ThingsBoard device API',
  hint: ({ device }) =>
    device === undefined ? undefined : 'the topic names no device, so all of them are this one',
  defaults: () => ({ codec: 'json', topic: 'v1/devices/me/telemetry' }),
  rest: () => ['v1/devices/me/#'],
  shape: () => deviceShape,
  recognise: recogniseDevice,
};

export const thingsboardGateway: Preset = {
  name: 'thingsboard-gateway',
  summary: 'telemetry in the form of the ThingsBoard gateway API',
  defaults: () => ({ codec: 'json', topic: 'v1/gateway/telemetry' }),
  rest: () => ['v1/gateway/#'],
  shape: () => gatewayShape,
  recognise: recogniseGateway,
};
