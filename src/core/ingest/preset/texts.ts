import { parseTime } from '../mapping/instant.ts';
import { isNumericText } from '../mapping/value.ts';
import { UTC } from '../mapping/zone.ts';
import type { RouteConfig } from '../route-config.ts';

const MAX_LINES = 20;
const PAIR = /[A-Za-z_][A-Za-z0-9_]* *[=:] *[-+]?[0-9]+(?:[.][0-9]+)?/g;
/** Names and values as pairs, like `PAIR`, for the codec. */
const PAIRS_ROUTE: RouteConfig = {
  codec: 'pattern',
  pattern: '(?P<name>[A-Za-z_][A-Za-z0-9_]*) *[=:] *(?P<value>[-+]?[0-9]+(?:[.][0-9]+)?)',
  pivot: { items: '', name: '/name', value: '/value' },
};

export interface ReadText {
  readonly route: RouteConfig;
  /** The time of a row as it is written, where it has one. */
  readonly time: string | undefined;
}

const TIME = /^\d{4}-\d{2}-\d{2}[T ]/;
const isTime = (cell: string): boolean => parseTime(cell, 'iso', UTC) !== undefined;

/** One number with a decimal comma, or two whole numbers: the text is ambiguous. */
export const COMMA_NUMBER = /^\s*[-+]?\d+,\d{1,3}\s*$/;

/** How text that is no other format may be read: separated values, or pairs such as `T=9,H=80`; undefined: it may not. */
export function readText(text: string): ReadText | undefined {
  const lines = text
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '')
    .slice(0, MAX_LINES);
  if (lines.every((line) => COMMA_NUMBER.test(line))) return undefined;
  if ((text.slice(0, 4096).match(PAIR) ?? []).length >= 2) return { route: PAIRS_ROUTE, time: undefined };
  for (const separator of [';', '\t', ',']) {
    const rows = lines.map((line) => line.split(separator).map((cell) => cell.trim()));
    const width = rows[0]?.length ?? 0;
    const last = rows.at(-1) ?? [];
    if (width < 2 || rows.some((row) => row.length !== width)) continue;
    const comma = separator !== ',' && last.some((cell) => /^[-+]?\d+,\d+$/.test(cell));
    const isNumber = (cell: string): boolean => isNumericText(comma ? cell.replace(',', '.') : cell);
    if (last.filter(isNumber).length * 2 < width) continue;
    const header = rows.length > 1 && rows[0]?.every((cell) => cell !== '' && !isNumber(cell)) === true;
    const timeAt = last.findIndex((cell) => !isNumber(cell) && TIME.test(cell) && isTime(cell));
    const columns = last.map((cell, at) =>
      at === timeAt ? 'time' : isNumber(cell) ? `column_${at + 1}` : null,
    );
    const csv = {
      ...(header ? { header } : { columns }),
      ...(separator === ',' ? {} : { separator }),
      ...(comma ? { decimal: ',' as const } : {}),
    };
    return { route: { codec: 'csv', csv }, time: last[timeAt] };
  }
  return undefined;
}
