import type uPlot from 'uplot';
import { valueText } from '../format/number.ts';
import type { Words } from '../format/words.ts';
import { valueRange } from './scales.ts';

export interface PlotLimit {
  readonly bound: number;
  readonly severity: string;
  readonly side: 'high' | 'low' | 'both';
}

export interface PlotEpisode {
  readonly fromMs: number;
  /** Null: it is still open. */
  readonly toMs: number | null;
  readonly severity: string;
}

/** Elements drawn besides the data; read anew with each drawing. */
export interface PlotScene {
  readonly metric: string;
  readonly unit: string | null;
  readonly fromMs: number;
  readonly toMs: number;
  readonly limits: readonly PlotLimit[];
  readonly episodes: readonly PlotEpisode[];
}

/** The colours of the theme, as the canvas takes them. */
export interface Colours {
  readonly text: string;
  readonly grid: string;
  readonly curve: string;
  readonly band: string;
  readonly severity: Words<string>;
  readonly soft: Words<string>;
  readonly font: string;
}

/** Times without am and pm, and the day where it begins: format, then additions at a new year, day and minute. */
const day = '\n{D} {MMM}';
const TIMES: uPlot.Axis.DynamicValues = [
  [31_536_000, '{YYYY}', null, null, null, null, null, null, 1],
  [2_419_200, '{MMM}', '\n{YYYY}', null, null, null, null, null, 1],
  [86_400, '{D} {MMM}', '\n{YYYY}', null, null, null, null, null, 1],
  [60, '{HH}:{mm}', `${day} {YYYY}`, null, day, null, null, null, 1],
  [1, '{HH}:{mm}:{ss}', `${day} {YYYY}`, null, day, null, null, null, 1],
] as unknown as uPlot.Axis.DynamicValues;

const AXIS_WIDTH = 62;

export interface PlotHandlers {
  readonly onCursor: (index: number | null) => void;
  readonly onSelect: (fromMs: number, toMs: number) => void;
  readonly onReset: () => void;
}

export function plotOptions(
  scene: () => PlotScene,
  colours: Colours,
  size: { readonly width: number; readonly height: number },
  sync: string,
  { onCursor, onSelect, onReset }: PlotHandlers,
): uPlot.Options {
  const axis = { stroke: colours.text, font: colours.font, grid: { stroke: colours.grid, width: 1 } };
  const ticks = { stroke: colours.grid, width: 1, size: 4 };
  return {
    ...size,
    legend: { show: false },
    // To the right as much as half of the last text of the axis takes.
    padding: [10, 26, 0, 0],
    cursor: {
      sync: { key: sync, setSeries: false },
      drag: { x: true, y: false, setScale: false },
      points: { size: 7 },
      y: false,
      bind: {
        dblclick: () => () => {
          onReset();
          return null;
        },
      },
    },
    scales: {
      x: { time: true, range: () => [scene().fromMs / 1000, scene().toMs / 1000] },
      y: {
        range: ({ data }) => {
          const [least, most] = extremes(data);
          return [
            ...valueRange(
              least,
              most,
              scene().limits.map(({ bound }) => bound),
            ),
          ];
        },
      },
    },
    series: [
      {},
      { stroke: colours.curve, width: 1.6, points: { show: pointsShown, size: 4 } },
      { stroke: 'transparent', width: 0, points: { show: false } },
      { stroke: 'transparent', width: 0, points: { show: false } },
    ],
    bands: [{ series: [3, 2], fill: colours.band }],
    axes: [
      { ...axis, ticks, values: TIMES, space: 74 },
      {
        ...axis,
        ticks,
        size: AXIS_WIDTH,
        values: (_plot, splits) => axisTexts(splits),
      },
    ],
    hooks: {
      drawClear: [(plot) => shadeEpisodes(plot, scene(), colours)],
      draw: [(plot) => drawLimits(plot, scene(), colours)],
      setCursor: [({ cursor }) => onCursor(cursor.idx ?? null)],
      setSelect: [
        (plot) => {
          const { left, width } = plot.select;
          if (width < 4) return;
          const [from, to] = [plot.posToVal(left, 'x'), plot.posToVal(left + width, 'x')];
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          onSelect(from * 1000, to * 1000);
        },
      ],
    },
  };
}

/** Single readings are seen as points; buckets side by side are a line. */
const pointsShown: uPlot.Series.Points.Show = ({ data, width }) => data[0].length < width / 12;

/** Extremes of the whole columns: what is shown is what was asked for. */
function extremes(data: uPlot.AlignedData): readonly [number | null, number | null] {
  let least = Infinity;
  let most = -Infinity;
  for (const value of data[2] ?? []) if (typeof value === 'number' && value < least) least = value;
  for (const value of data[3] ?? []) if (typeof value === 'number' && value > most) most = value;
  return least > most ? [null, null] : [least, most];
}

/** The texts of an axis, all with the digits that its steps need. */
function axisTexts(splits: readonly number[]): string[] {
  const step = splits.length > 1 ? splits[1]! - splits[0]! : 1;
  let digits = 0;
  while (digits < 6 && Math.abs(step * 10 ** digits - Math.round(step * 10 ** digits)) > 1e-6) digits += 1;
  const format = new Intl.NumberFormat(undefined, {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return splits.map((value) => format.format(value));
}

/** `warning above 8.0 °C` */
export const limitText = (
  { bound, severity, side }: PlotLimit,
  of: Pick<PlotScene, 'metric' | 'unit'>,
): string => `${severity} ${side === 'low' ? 'below' : 'above'} ${valueText(bound, of)}`;

/** Behind the curve: the time from the beginning of each alert to its end. */
function shadeEpisodes(plot: uPlot, scene: PlotScene, colours: Colours): void {
  const { ctx, bbox } = plot;
  ctx.save();
  for (const { fromMs, toMs, severity } of scene.episodes) {
    const left = Math.max(bbox.left, plot.valToPos(fromMs / 1000, 'x', true));
    const right = Math.min(bbox.left + bbox.width, plot.valToPos((toMs ?? scene.toMs) / 1000, 'x', true));
    if (right < bbox.left || left > bbox.left + bbox.width) continue;
    const width = Math.max(2, right - left);
    ctx.fillStyle = colours.soft.get(severity) ?? colours.grid;
    ctx.fillRect(left, bbox.top, width, bbox.height);
    // An edge above it, so that it is seen where colours are not.
    ctx.fillStyle = colours.severity.get(severity) ?? colours.text;
    ctx.fillRect(left, bbox.top, width, 3 * devicePixelRatio);
  }
  ctx.restore();
}

/** Over the curve: each limit that is near, with its value. */
function drawLimits(plot: uPlot, scene: PlotScene, colours: Colours): void {
  const { ctx, bbox } = plot;
  const bottom = bbox.top + bbox.height;
  ctx.save();
  ctx.lineWidth = 1.4 * devicePixelRatio;
  ctx.font = colours.font.replace(
    /([\d.]+)px/,
    (_all, size: string) => `${Number(size) * devicePixelRatio}px`,
  );
  ctx.textAlign = 'right';
  for (const { bound, severity, side } of scene.limits) {
    const y = Math.round(plot.valToPos(bound, 'y', true));
    if (y < bbox.top || y > bottom) continue;
    const colour = colours.severity.get(severity) ?? colours.text;
    ctx.strokeStyle = colour;
    ctx.fillStyle = colour;
    ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    const above = side !== 'low' ? y - bbox.top > 16 * devicePixelRatio : bottom - y < 16 * devicePixelRatio;
    ctx.textBaseline = above ? 'bottom' : 'top';
    ctx.fillText(
      limitText({ bound, severity, side }, scene),
      bbox.left + bbox.width - 4 * devicePixelRatio,
      y + (above ? -2 : 3) * devicePixelRatio,
    );
  }
  ctx.restore();
}
