import { DEVICE_KEYS } from '../mapping/device.ts';
import { parseNumber } from '../mapping/value.ts';
import { TIME_KEYS } from '../mapping/time.ts';
import type { RouteConfig } from '../route-config.ts';

/** Reads the texts of a table: numbers as numbers, but what names a device, a time or a metric as it was written. */
export function cellReader(config: RouteConfig): (column: string, text: string) => unknown {
  const decimal = config.csv?.decimal ?? '.';
  const asText = new Set<string>([...DEVICE_KEYS, ...TIME_KEYS].map((key) => key.toLowerCase()));
  const paths = [config.device_path, config.time?.path, config.pivot?.name, Object.keys(config.where ?? {})];
  const named = new Set(
    paths.flat().map((path) => path?.split('/')[1]?.replaceAll('~1', '/').replaceAll('~0', '~')),
  );
  return (column, text) => {
    const trimmed = text.trim();
    if (trimmed === '') return null;
    if (named.has(column) || asText.has(column.toLowerCase())) return trimmed;
    return parseNumber(decimal === ',' ? trimmed.replace(',', '.') : trimmed) ?? trimmed;
  };
}
