import type { CopySource, OnRows } from '../../adapters/timescale/connection/copy-out.ts';
import { CopyReader } from '../../core/frame/copy-reader.ts';
import type { Frame } from '../../core/frame/frame.ts';
import { csvHeader } from '../../core/frame/csv.ts';
import type { ExportPlan } from './plan.ts';
import { type Span, SliceWidth, mergeSpans } from './slices.ts';

/** Rows of a frame at most, and values: the memory of a row group. */
const MOST_ROWS = 100_000;
const MOST_VALUES = 1_000_000;

export interface ReadOptions {
  /** Only this part of the range. */
  readonly within?: Span | undefined;
  /** Called with the rows of the statement under way. */
  readonly onRows?: ((rows: number) => void) | undefined;
  /** Called after each statement. */
  readonly onSlice?: ((slice: Span, rows: number) => void) | undefined;
  /** Rows of a frame at most; default 100,000, fewer where there are many columns. */
  readonly rowsPerFrame?: number | undefined;
  /** Kept from one call to the next: how much a statement may cover. */
  readonly width?: SliceWidth | undefined;
}

const EVER: Span = { fromMs: -Infinity, toMs: Infinity };

/** The rows of an export as frames. Bounded memory: one frame is filled while the former one is in use. */
export async function* exportFrames(
  source: Pick<CopySource, 'copyOut'>,
  plan: ExportPlan,
  options: ReadOptions = {},
): AsyncGenerator<Frame> {
  const most = Math.max(1000, Math.floor(MOST_VALUES / plan.columns.length));
  const reader = new CopyReader(plan.columns, options.rowsPerFrame ?? Math.min(MOST_ROWS, most));
  for (const slice of slices(plan, options)) {
    const sql = plan.statement(slice, 'binary');
    for await (const bytes of source.copyOut(sql, slice.onRows)) yield* reader.push(bytes);
    reader.endStatement();
  }
  const rest = reader.flush();
  if (rest !== undefined) yield rest;
}

/** The export as CSV (RFC 4180 with LF): a header of ours, and rows as the server sends them. */
export async function* exportCsv(
  source: Pick<CopySource, 'copyOut'>,
  plan: ExportPlan,
  options: ReadOptions = {},
): AsyncGenerator<Uint8Array> {
  yield new TextEncoder().encode(csvHeader(plan.columns.map(({ name }) => name)));
  for (const slice of slices(plan, options))
    yield* source.copyOut(plan.statement(slice, 'csv'), slice.onRows);
}

interface Slice extends Span {
  readonly onRows: OnRows;
}

function* slices(
  { spans, sliceSize }: ExportPlan,
  { within = EVER, onRows, onSlice, width = new SliceWidth(sliceSize) }: ReadOptions,
): Generator<Slice> {
  for (const span of mergeSpans(spans, within))
    for (let fromMs = span.fromMs; fromMs < span.toMs;) {
      const slice = width.next({ fromMs, toMs: span.toMs });
      const counted: OnRows = (rows, ended) => {
        if (!ended) return onRows?.(rows);
        width.record(slice, rows);
        onSlice?.(slice, rows);
      };
      yield { ...slice, onRows: counted };
      fromMs = slice.toMs;
    }
}
