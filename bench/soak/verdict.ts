import { formatNumber } from '../report.ts';

/** One line of the result: a figure, and the limit that it must keep. */
export interface Line {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** The limit; without one the figure is for information. */
  readonly limit?: number;
}

/** A value that is no number was not measured, and has not kept its limit. */
export const holds = ({ value, limit }: Line): boolean => limit === undefined || value <= limit;

/**
 * A figure of the last quarter against that of the first. Below `floor` differences are noise, whatever their share.
 */
export function comparison(
  what: string,
  unit: string,
  [first, last]: readonly [number, number],
  { tolerance, floor }: { readonly tolerance: number; readonly floor: number },
): readonly Line[] {
  const limit = Math.max(first * (1 + tolerance), first + floor);
  return [
    { what: `${what}, first quarter`, value: first, unit },
    { what: `${what}, last quarter`, value: last, unit, limit },
  ];
}

export function formatLines(title: string, lines: readonly Line[]): string {
  const rows = lines.map((line) => [
    line.what,
    `${formatNumber(line.value)} ${line.unit}`.trim(),
    line.limit === undefined ? '' : `<= ${formatNumber(line.limit)}`,
    line.limit === undefined ? '' : holds(line) ? 'ok' : 'VIOLATED',
  ]);
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const text = rows.map(([what = '', value = '', limit = '', verdict = '']) =>
    `${what.padEnd(widths[0] ?? 0)}  ${value.padStart(widths[1] ?? 0)}  ${limit.padEnd(widths[2] ?? 0)}  ${verdict}`.trimEnd(),
  );
  const broken = lines.filter((line) => !holds(line)).length;
  return [title, '', ...text, '', broken === 0 ? 'HELD' : `VIOLATED: ${broken}`, ''].join('\n');
}
