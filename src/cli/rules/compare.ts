import type { Line, OutcomeLines } from './outcome-lines.ts';
import type { Expectation } from './scenario-file.ts';

type Wanted = string | Readonly<Record<string, unknown>>;

/** The differences between what was expected and what happened, as lines of a diff; empty if it is as expected. */
export function compare(expected: Expectation, actual: OutcomeLines): string[] {
  return [
    ...list('transitions', expected.transitions, actual.transitions),
    ...list('rows', expected.rows, actual.rows),
    ...list('notifications', expected.notifications, actual.notifications),
    ...list(
      'sent',
      expected.sent,
      actual.notifications.filter(({ suppressed }) => suppressed === null),
    ),
    ...list('notified', expected.notified, actual.notified),
    ...(expected.counts === undefined ? [] : fields('counts', expected.counts, actual.counts)),
    ...(expected.refused_reloads === undefined || expected.refused_reloads === actual.refused.length
      ? []
      : ['refused_reloads:', `- ${expected.refused_reloads}`, `+ ${actual.refused.length}`]),
  ];
}

/** Lists are complete and ordered; an object of the expectation names only the fields that matter. */
function list(
  name: string,
  wanted: number | readonly Wanted[] | undefined,
  actual: readonly Line[],
): string[] {
  if (wanted === undefined) return [];
  if (typeof wanted === 'number')
    return actual.length === wanted
      ? []
      : [`${name}:`, `- ${wanted} in all`, ...actual.map((each) => `+ ${show(each)}`)];
  const matches = align(wanted, actual);
  if (matches.every(([left, right]) => left !== undefined && right !== undefined)) return [];
  return [
    `${name}:`,
    ...matches.flatMap(([left, right]) => {
      if (left !== undefined && right !== undefined) return [`  ${show(left)}`];
      return [
        ...(left === undefined ? [] : [`- ${show(left)}`]),
        ...(right === undefined ? [] : [`+ ${show(right)}`]),
      ];
    }),
  ];
}

/** Longest common subsequence: what fits stands beside each other, what does not stands alone. */
function align(
  wanted: readonly Wanted[],
  actual: readonly Line[],
): (readonly [Wanted | undefined, Line | undefined])[] {
  const lengths = wanted.map(() => actual.map(() => 0));
  const at = (i: number, j: number) => lengths[i]?.[j] ?? 0;
  for (let i = wanted.length - 1; i >= 0; i--)
    for (let j = actual.length - 1; j >= 0; j--) {
      const row = lengths[i];
      if (row !== undefined)
        row[j] = fits(wanted[i], actual[j]) ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  const pairs: (readonly [Wanted | undefined, Line | undefined])[] = [];
  let i = 0;
  let j = 0;
  while (i < wanted.length || j < actual.length) {
    if (i < wanted.length && j < actual.length && fits(wanted[i], actual[j]))
      pairs.push([wanted[i++], actual[j++]]);
    else if (j >= actual.length || (i < wanted.length && at(i + 1, j) >= at(i, j + 1)))
      pairs.push([wanted[i++], undefined]);
    else pairs.push([undefined, actual[j++]]);
  }
  return pairs;
}

function fits(wanted: Wanted | undefined, actual: Line | undefined): boolean {
  if (wanted === undefined || actual === undefined) return false;
  if (typeof wanted === 'string')
    return [actual.short, actual.full, actual.event].some((name) => name === wanted.trim());
  return Object.entries(wanted).every(([name, value]) => same(value, actual[name]));
}

/** Numbers may carry the noise of binary fractions: a mean plus three sigma is written with a few digits. */
function same(wanted: unknown, actual: unknown): boolean {
  if (typeof wanted === 'number' && typeof actual === 'number')
    return Math.abs(wanted - actual) <= 1e-6 * Math.max(1, Math.abs(wanted));
  if (typeof wanted !== 'object' || wanted === null || typeof actual !== 'object' || actual === null)
    return wanted === actual;
  const [one, other] = [Object.entries(wanted), new Map(Object.entries(actual))];
  return one.length === other.size && one.every(([name, value]) => same(value, other.get(name)));
}

function fields(name: string, wanted: Line, actual: Line): string[] {
  const wrong = Object.entries(wanted).filter(([field, value]) => !same(value, actual[field]));
  if (wrong.length === 0) return [];
  return [
    `${name}:`,
    ...wrong.flatMap(([field, value]) => [
      `- ${field}: ${JSON.stringify(value)}`,
      `+ ${field}: ${JSON.stringify(actual[field] ?? null)}`,
    ]),
  ];
}

function show(each: Wanted | Line): string {
  if (typeof each === 'string') return each;
  if (typeof each.short === 'string') return each.short;
  return JSON.stringify(each);
}
