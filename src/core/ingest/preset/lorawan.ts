import { aliasOf } from '../mapping/alias.ts';
import { type Doc, emptyDoc, isObject, own } from '../mapping/document.ts';
import { mappedNumber } from '../mapping/value.ts';

/** `rssi` and `snr` of the gateway with the strongest reception of an uplink. */
export function strongestGateway(gateways: unknown): Doc {
  const radio = emptyDoc();
  if (!Array.isArray(gateways)) return radio;
  let best = -Infinity;
  for (const gateway of gateways as unknown[]) {
    if (!isObject(gateway)) continue;
    const rssi = mappedNumber(own(gateway, 'rssi'));
    if (rssi === undefined || rssi <= best) continue;
    best = rssi;
    radio['rssi'] = rssi;
    radio['snr'] = own(gateway, 'snr');
  }
  return radio;
}

/** True if `metrics` has a value that becomes `name`, under whatever alias. */
export function hasMetric(metrics: Doc, name: string): boolean {
  return Object.entries(metrics).some(
    ([key, value]) => aliasOf(key)?.name === name && mappedNumber(value) !== undefined,
  );
}

/** Own members of all, later ones over earlier ones, without a prototype. */
export function merged(...docs: readonly Doc[]): Record<string, unknown> {
  const result = emptyDoc();
  for (const doc of docs) for (const key of Object.keys(doc)) result[key] = doc[key];
  return result;
}
