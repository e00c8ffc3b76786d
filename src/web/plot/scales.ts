/** The vertical range of a plot: all values, with some air, and the limits that are near them. */
export function valueRange(
  least: number | null,
  most: number | null,
  limits: readonly number[],
): readonly [number, number] {
  const known = limits.filter(Number.isFinite);
  if (least === null || most === null || !Number.isFinite(least) || !Number.isFinite(most)) {
    if (known.length === 0) return [0, 1];
    return padded(Math.min(...known), Math.max(...known));
  }
  // A limit that is farther away than three times what is seen would make a flat line of the curve.
  const span = Math.max(most - least, Math.abs(most) * 0.02, 1e-6);
  const near = known.filter((limit) => limit >= least - 3 * span && limit <= most + 3 * span);
  return padded(Math.min(least, ...near), Math.max(most, ...near));
}

function padded(least: number, most: number): readonly [number, number] {
  const span = most - least;
  const air = span === 0 ? Math.max(Math.abs(most) * 0.05, 0.5) : span * 0.08;
  return [least - air, most + air];
}

/** How many points are worth asking for: one for each two pixels, within what the daemon gives. */
export const pointsFor = (width: number): number => Math.min(2_000, Math.max(100, Math.round(width / 2)));

/** The index of the point nearest to a time, in rising times; -1 without points. */
export function nearest(time: readonly number[], at: number): number {
  if (time.length === 0) return -1;
  let low = 0;
  let high = time.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (time[middle]! < at) low = middle + 1;
    else high = middle;
  }
  return low > 0 && at - time[low - 1]! <= time[low]! - at ? low - 1 : low;
}

/** The path of a sparkline in a box, in whole tenths of a pixel; `null` breaks it. */
export function sparkPath(values: readonly (number | null)[], width: number, height: number): string {
  const known = values.filter((value): value is number => value !== null && Number.isFinite(value));
  if (known.length === 0) return '';
  const least = Math.min(...known);
  const span = Math.max(...known) - least;
  const step = values.length > 1 ? width / (values.length - 1) : 0;
  const tenth = (value: number): number => Math.round(value * 10) / 10;
  let path = '';
  let joined = false;
  values.forEach((value, index) => {
    if (value === null || !Number.isFinite(value)) {
      joined = false;
      return;
    }
    const y = span === 0 ? height / 2 : height - ((value - least) / span) * height;
    path += `${joined ? 'L' : 'M'}${tenth(index * step)} ${tenth(y)}`;
    // A point on its own is a dot: a line of no length with round ends.
    if (!joined && (values[index + 1] ?? null) === null) path += 'h0';
    joined = true;
  });
  return path;
}
