import type { Part } from './options.ts';

/** One line of the result. */
export interface Figure {
  readonly part: Part;
  readonly measure: string;
  readonly unit: string;
  /** The median of `runs`, unless the measure says otherwise. */
  readonly value: number;
  readonly runs: readonly number[];
  readonly reference?: {
    readonly what: string;
    readonly unit: string;
    readonly value: number;
    readonly runs: readonly number[];
  };
  /** value / reference, of the medians; for (f) the other way round. */
  readonly ratio?: number;
  /** The least `ratio` that is good enough. */
  readonly target?: number;
  readonly note?: string;
}

export interface Skipped {
  readonly part: Part;
  readonly reason: string;
}

export type Verdict = 'ok' | 'miss' | undefined;

export function verdictOf({ ratio, target }: Figure): Verdict {
  if (ratio === undefined || target === undefined) return undefined;
  return ratio >= target ? 'ok' : 'miss';
}

const HEADINGS = ['measure', 'figure', 'reference', 'ratio', 'target', ''];

/** Figures as aligned lines, for people. Notes follow the table. */
export function formatTable(figures: readonly Figure[], skipped: readonly Skipped[]): string {
  const rows = [HEADINGS, ...figures.map(cells)];
  const widths = HEADINGS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd();
  const notes = figures.flatMap(({ part, note }) => (note === undefined ? [] : [`(${part}) ${note}`]));
  const missing = skipped.map(({ part, reason }) => `(${part}) skipped: ${reason}`);
  return [
    ...rows.map(line),
    ...(notes.length + missing.length > 0 ? ['', ...notes, ...missing] : []),
    '',
  ].join('\n');
}

function cells(figure: Figure): readonly string[] {
  const { part, measure, value, unit, reference, ratio, target } = figure;
  return [
    `(${part}) ${measure}`,
    `${formatNumber(value)} ${unit}`,
    reference === undefined ? '' : `${reference.what} ${formatNumber(reference.value)} ${reference.unit}`,
    ratio === undefined ? '' : ratio.toFixed(2),
    target === undefined ? '' : `>= ${target}`,
    verdictOf(figure) ?? '',
  ];
}

/** Three digits that mean something, thousands set apart. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return '-';
  if (Math.abs(value) >= 1000) {
    const step = 10 ** (Math.floor(Math.log10(Math.abs(value))) - 2);
    return (Math.round(value / step) * step).toLocaleString('en-US', { maximumFractionDigits: 0 });
  }
  return String(Number(value.toPrecision(3)));
}
