/** Which rows of a long list are drawn: those that are seen, and some on either side. */
export interface RowWindow {
  readonly first: number;
  /** After the last. */
  readonly end: number;
  /** Heights of what is left out. */
  readonly above: number;
  readonly below: number;
}

/** Rows that are rendered above and below the visible ones. */
const OVERSCAN = 10;

/** `top`: how far the beginning of the list is above the upper edge of the view (negative: below it). */
export function rowWindow(count: number, rowHeight: number, top: number, viewHeight: number): RowWindow {
  const seen = Math.floor(Math.max(0, top) / rowHeight);
  const fits = Math.ceil(viewHeight / rowHeight) + 1;
  const first = Math.max(0, Math.min(seen - OVERSCAN, count - fits - OVERSCAN));
  const end = Math.min(count, seen + fits + OVERSCAN);
  return {
    first,
    end: Math.max(first, end),
    above: first * rowHeight,
    below: Math.max(0, count - end) * rowHeight,
  };
}
