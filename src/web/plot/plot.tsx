import 'uplot/dist/uPlot.min.css';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import { Foreign } from '../components/text.tsx';
import { usePage } from '../context.ts';
import { durationText } from '../format/duration.ts';
import { counted, valueText } from '../format/number.ts';
import { metricName, unitMeaning } from '../format/unit.ts';
import { visible } from '../format/visible.ts';
import { useStore, useWidth } from '../hooks.ts';
import { coloursOf } from './colours.ts';
import { type PlotColumns, type SourceColumns, gapsOf, withGaps } from './gaps.ts';
import { type PlotEpisode, type PlotLimit, type PlotScene, limitText, plotOptions } from './options.ts';
import { type Range, moved, zoomed } from './ranges.ts';
import { valueRange } from './scales.ts';
import { PlotTable } from './table.tsx';

const HEIGHT = 210;

export interface PlotProps {
  readonly metric: string;
  readonly unit: string | null;
  readonly source: SourceColumns;
  readonly stepMs: number;
  readonly fromMs: number;
  readonly toMs: number;
  readonly limits: readonly PlotLimit[];
  readonly episodes: readonly PlotEpisode[];
  /** Plots of the same name share their cursor. */
  readonly sync: string;
  readonly onRange: (range: Range) => void;
  readonly onReset: () => void;
}

/** One metric over time: curve, limits, alerts and gaps; the same as a table. */
export function Plot(props: PlotProps) {
  const { metric, unit, source, stepMs } = props;
  const { time } = usePage();
  const [asTable, setAsTable] = useState(false);
  const [index, setIndex] = useState<number | null>(null);
  const columns = useMemo(() => withGaps(source, stepMs), [source, stepMs]);
  const shown = index === null ? undefined : pointAt(columns, index);
  const name = visible(metricName(metric));
  const summary = useMemo(() => summaryOf(props), [source, stepMs, props.limits, metric, unit]);
  const point =
    shown === undefined
      ? undefined
      : `${time.point(shown.time * 1000, stepMs)}: ${pointText(shown, stepMs, { metric, unit })}`;
  return (
    <figure class="card plot" data-plot={metric}>
      <figcaption class="plot-head">
        <h3 title={unit === null ? undefined : unitMeaning(unit)}>
          <Foreign text={name} />
          {unit === null ? null : <span class="soft"> in {unit}</span>}
        </h3>
        <span class="plot-readout" aria-live="polite">
          {point ?? summary}
        </span>
        <button
          type="button"
          class="button small"
          aria-pressed={asTable}
          onClick={() => setAsTable((before) => !before)}
        >
          {asTable ? 'Plot' : 'Table'}
          <span class="unseen"> of {name}</span>
        </button>
      </figcaption>
      {asTable ? (
        <PlotTable source={source} stepMs={stepMs} metric={metric} unit={unit} label={name} />
      ) : (
        <Canvas {...props} columns={columns} label={`${name}. ${summary}`} onIndex={setIndex} />
      )}
    </figure>
  );
}

interface Point {
  readonly time: number;
  readonly mean: number;
  readonly min: number | null;
  readonly max: number | null;
}

function pointAt(columns: PlotColumns, index: number): Point | undefined {
  const mean = columns.mean[index];
  if (mean === null || mean === undefined) return undefined;
  return { time: columns.time[index]!, mean, min: columns.min[index]!, max: columns.max[index]! };
}

function pointText(
  { mean, min, max }: Point,
  stepMs: number,
  options: { readonly metric: string; readonly unit: string | null },
): string {
  const text = valueText(mean, options);
  return stepMs === 0 || min === max
    ? text
    : `${text} on average, ${valueText(min, options)} to ${valueText(max, options)}`;
}

/** The curve in a sentence: for the readout while nothing is pointed at, and for screen readers. */
function summaryOf({ metric, unit, source, stepMs, limits }: PlotProps): string {
  const last = source.mean.at(-1);
  if (last === undefined) return 'No readings in this time.';
  const options = { metric, unit };
  const known = (values: readonly (number | null)[]): number[] =>
    values.filter((value): value is number => value !== null);
  const least = known(source.min).reduce((a, b) => Math.min(a, b), Infinity);
  const most = known(source.max).reduce((a, b) => Math.max(a, b), -Infinity);
  const gaps = gapsOf(source, stepMs);
  const longest = gaps.reduce((most_, { fromMs, toMs }) => Math.max(most_, toMs - fromMs), 0);
  const gapText =
    gaps.length === 0 ? '' : ` ${counted(gaps.length, 'gap')}, the longest ${durationText(longest / 1000)}.`;
  const [bottom, top] = valueRange(
    least,
    most,
    limits.map(({ bound }) => bound),
  );
  // A limit far away would make a flat line of the curve; it is named instead.
  const far = limits
    .filter(({ bound }) => bound < bottom || bound > top)
    .map((limit) => limitText(limit, options));
  const farText = far.length === 0 ? '' : ` Beyond this scale: ${[...new Set(far)].join(', ')}.`;
  return `Last ${valueText(last, options)}, lowest ${valueText(least, options)}, highest ${valueText(most, options)}.${gapText}${farText}`;
}

function Canvas({
  columns,
  label,
  onIndex,
  ...props
}: PlotProps & {
  readonly columns: PlotColumns;
  readonly label: string;
  readonly onIndex: (index: number | null) => void;
}) {
  const { theme, daemon } = usePage();
  const themeTurn = useStore(theme.changes);
  const [measure, width] = useWidth<HTMLDivElement>();
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const current = useRef(props);
  current.current = props;
  const scene = (): PlotScene => current.current;

  useLayoutEffect(() => {
    const element = box.current;
    if (element === null || width === 0) return;
    const size = { width, height: HEIGHT };
    const options = plotOptions(scene, coloursOf(element), size, props.sync, {
      onCursor: onIndex,
      onSelect: (fromMs, toMs) =>
        current.current.onRange({ kind: 'fixed', fromMs: Math.round(fromMs), toMs: Math.round(toMs) }),
      onReset: () => current.current.onReset(),
    });
    plot.current = new uPlot(options, dataOf(columns), element);
    return () => {
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [width, themeTurn, props.sync]);

  useEffect(() => {
    plot.current?.setData(dataOf(columns));
  }, [columns, props.fromMs, props.toMs]);
  useEffect(() => {
    plot.current?.redraw(false);
  }, [props.episodes, props.limits]);

  const point = (by: number | 'first' | 'last'): void => {
    const made = plot.current;
    if (made === undefined || columns.time.length === 0) return;
    const last = columns.time.length - 1;
    const from = made.cursor.idx ?? last;
    let index = by === 'first' ? 0 : by === 'last' ? last : Math.max(0, Math.min(last, from + by));
    // A break is no value.
    if (columns.mean[index] === null) index += by === 'first' || (typeof by === 'number' && by > 0) ? 1 : -1;
    made.setCursor({ left: made.valToPos(columns.time[index]!, 'x'), top: 20 });
  };
  const keys: Readonly<Record<string, (event: KeyboardEvent) => void>> = {
    ArrowLeft: ({ shiftKey }) => (shiftKey ? pan(-0.5) : point(-1)),
    ArrowRight: ({ shiftKey }) => (shiftKey ? pan(0.5) : point(1)),
    PageUp: () => point(-10),
    PageDown: () => point(10),
    Home: () => point('first'),
    End: () => point('last'),
    '+': () => props.onRange(zoomed(props, 0.5, daemon.nowMs())),
    '=': () => props.onRange(zoomed(props, 0.5, daemon.nowMs())),
    '-': () => props.onRange(zoomed(props, 2, daemon.nowMs())),
    Escape: () => props.onReset(),
  };
  const pan = (by: number): void => props.onRange(moved(props, by, daemon.nowMs()));
  return (
    <div
      class="plot-box"
      ref={measure}
      tabIndex={0}
      role="application"
      aria-roledescription="plot"
      aria-label={`${label} Arrow keys move the cursor, with Shift the time; plus and minus zoom; Escape goes back.`}
      onKeyDown={(event) => {
        const act = keys[event.key];
        if (act === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
        event.preventDefault();
        act(event);
      }}
    >
      <div ref={box} />
    </div>
  );
}

const dataOf = ({ time, mean, min, max }: PlotColumns): uPlot.AlignedData =>
  [time, mean, min, max] as unknown as uPlot.AlignedData;
