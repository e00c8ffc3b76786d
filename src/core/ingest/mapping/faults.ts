import type { FieldConfig, RouteConfig, RouteFault } from '../route-config.ts';
import { timePaths } from './compile.ts';
import { parsePointer } from './document.ts';
import { parseZone } from './zone.ts';

/** Faults in the mapping keys of a route; paths are relative to the route. */
export function mappingFaults(config: RouteConfig): RouteFault[] {
  const faults: RouteFault[] = [];
  const check = (text: string | undefined, ...path: (string | number)[]): void => {
    if (text !== undefined && parsePointer(text) === undefined)
      faults.push({ path, message: `"${text}" is no JSON Pointer; write it like /meta/id` });
  };
  check(config.device_path, 'device_path');
  check(config.items, 'items');
  check(config.metrics_path, 'metrics_path');
  check(config.value_path, 'value_path');
  for (const key of ['items', 'name', 'value'] as const) check(config.pivot?.[key], 'pivot', key);
  for (const path of Object.keys(config.where ?? {})) check(path, 'where', path);
  for (const path of timePaths(config)) check(path, 'time', 'path');
  for (const [name, field] of Object.entries(config.fields ?? {})) faults.push(...fieldFaults(name, field));
  if (config.metrics_path !== undefined && config.pivot !== undefined)
    faults.push({ path: ['pivot'], message: 'metrics_path and pivot exclude each other' });
  return [...faults, ...zoneFaults(config)];
}

function fieldFaults(name: string, field: FieldConfig): RouteFault[] {
  const faults: RouteFault[] = [];
  const at = ['fields', name];
  if (field.path !== undefined && parsePointer(field.path) === undefined)
    faults.push({ path: [...at, 'path'], message: `"${field.path}" is no JSON Pointer; write it like /t` });
  if (field.linear !== undefined && field.linear.from[0] === field.linear.from[1])
    faults.push({ path: [...at, 'linear', 'from'], message: 'the two values must differ' });
  if (field.min !== undefined && field.max !== undefined && field.min > field.max)
    faults.push({ path: [...at, 'min'], message: `min ${field.min} is above max ${field.max}` });
  return faults;
}

function zoneFaults(config: RouteConfig): RouteFault[] {
  const zones = [
    [config.timezone, ['timezone']],
    [config.time?.timezone, ['time', 'timezone']],
  ] as const;
  return zones.flatMap(([zone, path]) =>
    zone === undefined || parseZone(zone) !== undefined
      ? []
      : [{ path, message: `"${zone}" is no known time zone; write it like Europe/Berlin, UTC or +02:00` }],
  );
}
