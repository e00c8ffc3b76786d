import { stringify } from 'yaml';
import type { MetricSummary, SuggestedRule, Suggestion } from '../../core/alert/analysis/suggest.ts';
import { formatDuration } from '../../core/duration.ts';
import { plainText } from '../../core/printable.ts';
import type { TimeRange } from '../../queries/db.ts';
import { type Cli, print } from '../command.ts';
import { formatNumber } from '../../core/format-number.ts';
import { formatTime } from '../output/format.ts';
import { jsonLine } from '../output/rows.ts';
import { type Column, tableLines } from '../output/table.ts';
import { createPaint, wantsColor } from '../output/terminal.ts';

/** A suggestion for the values of a metric, or for the difference to another one. */
export interface Proposal {
  readonly metric: string;
  readonly minus?: { readonly sensor?: string; readonly metric: string };
  readonly suggestion: Suggestion;
}

/** With the episodes that it and the current rules give. */
export interface Counted extends Proposal {
  readonly proposed: { readonly high: number; readonly low: number };
  readonly current: { readonly high: number; readonly low: number };
}

interface Form extends TimeRange {
  readonly json?: boolean;
  readonly yaml?: boolean;
  readonly sensor?: string;
  readonly location?: string;
}

/** As the configuration takes it: durations as text. */
export function fieldsOf({ for: wait, stale_after: stale, ...rest }: SuggestedRule): Record<string, unknown> {
  return {
    ...rest,
    ...(wait === undefined ? {} : { for: formatDuration(wait) }),
    ...(stale === undefined ? {} : { stale_after: formatDuration(stale) }),
  };
}

/** The metric and its rule, as the configuration takes them; empty where nothing is proposed. */
export function ruleOf({
  metric,
  minus,
  suggestion,
}: Proposal): readonly (readonly [metric: string, rule: Record<string, unknown>])[] {
  if (!('rule' in suggestion)) return [];
  if (minus === undefined) return [[metric, fieldsOf(suggestion.rule)]];
  const { min, max, ...rest } = suggestion.rule;
  const limits = { ...(min === undefined ? {} : { min }), ...(max === undefined ? {} : { max }) };
  return [[metric, { difference: { minus, ...limits }, ...fieldsOf(rest) }]];
}

export function printSuggestions(cli: Cli, all: readonly Counted[], form: Form): void {
  if (form.json === true) return all.forEach((each) => print(cli, jsonOf(each)));
  if (all.length === 0) return void cli.stderr.write('no values\n');
  if (form.yaml !== true) {
    const paint = createPaint(wantsColor(cli));
    print(cli, `${tableLines(COLUMNS, all, paint).join('\n')}\n`);
    for (const { suggestion } of all)
      if ('none' in suggestion)
        print(cli, `${plainText(suggestion.figures.metric)}: no suggestion, ${suggestion.none}`);
  }
  const rules = yamlOf(all, form);
  if (rules !== undefined) print(cli, rules);
}

/** Ready to be pasted, or to be given to `rules backtest --rules`. A narrower selection becomes an override. */
function yamlOf(all: readonly Counted[], { from, to, sensor, location }: Form): string | undefined {
  const metrics = Object.fromEntries(all.flatMap(ruleOf));
  if (Object.keys(metrics).length === 0) return undefined;
  const scope = sensor !== undefined ? { sensor } : location !== undefined ? { location } : undefined;
  const alerts = scope === undefined ? { metrics } : { overrides: [{ ...scope, metrics }] };
  const about = `# suggested by what was stored from ${formatTime(from)} to ${formatTime(to)}`;
  return `${about}\n${stringify({ alerts }).trimEnd()}`;
}

function jsonOf({ proposed, current, ...proposal }: Counted): string {
  const { suggestion } = proposal;
  const { figures } = suggestion;
  const [rule] = ruleOf(proposal);
  const outcome = 'none' in suggestion ? { none: suggestion.none } : { rule: rule?.[1], proposed, current };
  return jsonLine({ kind: 'suggestion', ...figures, ...outcome });
}

const sides = ({ high, low }: Counted['proposed']): string => `${low} low, ${high} high`;
const figure = (of: (figures: MetricSummary) => number) => (row: Counted) => of(row.suggestion.figures);
const rule = (field: 'min' | 'max' | 'hysteresis' | 'for') => (row: Counted) =>
  'rule' in row.suggestion ? fieldsOf(row.suggestion.rule)[field] : undefined;

const COLUMNS: readonly Column<Counted>[] = [
  { title: 'metric', value: (row) => row.suggestion.figures.metric },
  { title: 'values', value: figure(({ values }) => values) },
  {
    title: 'usual',
    value: (row) => row.suggestion.figures.low,
    format: (_, { suggestion: { figures } }) =>
      `${formatNumber(figures.low)} to ${formatNumber(figures.high)}`,
  },
  { title: 'noise', value: figure(({ noise }) => noise) },
  { title: 'min', value: rule('min') },
  { title: 'max', value: rule('max') },
  { title: 'hysteresis', value: rule('hysteresis') },
  { title: 'for', value: rule('for') },
  { title: 'episodes', value: (row) => ('rule' in row.suggestion ? sides(row.proposed) : undefined) },
  { title: 'now', value: (row) => sides(row.current) },
];
