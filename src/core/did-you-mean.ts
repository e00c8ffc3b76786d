/** The name that was probably meant, or undefined where none is close enough to be worth showing. */
export function suggest(given: string, known: readonly string[]): string | undefined {
  const wanted = normalise(given);
  let best: string | undefined;
  let bestDistance = Infinity;
  for (const name of known) {
    const distance = editDistance(wanted, normalise(name));
    if (distance < bestDistance) [best, bestDistance] = [name, distance];
  }
  // A third of the letters may be wrong: `hots` is `host`, `foo` is nothing, and `X` is not `C`.
  return bestDistance <= Math.floor(wanted.length / 3) ? best : undefined;
}

/** `; did you mean "topic"?`, or the names there are where none is close. */
export function hint(given: string, known: readonly string[]): string {
  const close = suggest(given, known);
  if (close !== undefined) return `; did you mean "${close}"?`;
  return known.length > 0 && known.length <= 24 ? `; known: ${known.join(', ')}` : '';
}

// Another habit of writing (`clientId`, `client-id`) is no wrong letter.
const normalise = (name: string) =>
  name
    .replace(/[^A-Za-z0-9]/g, '')
    .toLowerCase()
    .slice(0, 64);

/** Optimal string alignment: insert, delete, replace, swap of neighbours. */
function editDistance(a: string, b: string): number {
  let previous: number[] = [];
  let current = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const next = [row];
    for (let column = 1; column <= b.length; column++) {
      const replaced = (current[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      let cost = Math.min(replaced, (current[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1);
      const swapped = a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (row > 1 && column > 1 && swapped) cost = Math.min(cost, (previous[column - 2] ?? 0) + 1);
      next.push(cost);
    }
    [previous, current] = [current, next];
  }
  return current[b.length] ?? 0;
}
