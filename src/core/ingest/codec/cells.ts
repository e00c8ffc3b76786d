import { DEVICE_KEYS } from '../mapping/device.ts';
import { TIME_KEYS } from '../mapping/time.ts';
import { parseNumber } from '../mapping/value.ts';
import type { RouteConfig } from '../route-config.ts';

const MAX_REMEMBERED_COLUMNS = 1024;

/** Reads the texts of a table: numbers as numbers, but what names a device, a time or a metric as it was written. */
export function cellReader(config: RouteConfig): (column: string, text: string) => unknown {
  const decimal = config.csv?.decimal ?? '.';
  const asText = new Set<string>([...DEVICE_KEYS, ...TIME_KEYS].map((key) => key.toLowerCase()));
  const paths = [config.device_path, config.time?.path, config.pivot?.name, Object.keys(config.where ?? {})];
  const named = new Set(
    paths.flat().map((path) => path?.split('/')[1]?.replaceAll('~1', '/').replaceAll('~0', '~')),
  );
  const isText = (column: string) => named.has(column) || asText.has(column.toLowerCase());
  const texts = new Map<string, boolean>();
  return (column, text) => {
    const trimmed = text.trim();
    if (trimmed === '') return null;
    let asWritten = texts.get(column);
    if (asWritten === undefined) {
      asWritten = isText(column);
      // Worked out once per column; those that a header names are the sender's, and as many as it likes.
      if (texts.size < MAX_REMEMBERED_COLUMNS) texts.set(column, asWritten);
    }
    if (asWritten) return trimmed;
    return parseNumber(decimal === ',' ? trimmed.replace(',', '.') : trimmed) ?? trimmed;
  };
}
