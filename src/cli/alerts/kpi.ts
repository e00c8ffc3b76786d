import type { Command } from 'commander';
import { type AlertKpis, type Spread, alertKpis } from '../../core/alert/analysis/kpi.ts';
import { counted } from '../../core/counted.ts';
import {
  type EpisodeRow,
  type SystemEpisodes,
  alertEpisodes,
  staleEpisodes,
  systemEpisodes,
} from '../../queries/alerts.ts';
import type { TimeRange } from '../../queries/db.ts';
import { momentArgument, momentOption, repeated } from '../arguments.ts';
import { type Cli, configOption, jsonOption, print, subcommand } from '../command.ts';
import { formatSeconds, formatTime } from '../output/format.ts';
import { type ReadOptions, onDatabase } from '../read-command.ts';
import { snakeCase } from '../output/rows.ts';
import { type Column, tableLines } from '../output/table.ts';
import { createPaint, wantsColor } from '../output/terminal.ts';

type Options = Omit<ReadOptions, 'limit' | 'csv'>;

const STALE_MS = 24 * 3_600_000;
const STALE_ROWS = 1000;
const SHOWN = 10;

/** `fieldwatch alerts kpi`: performance of the alert system (ISA-18.2). */
export const alertsKpiCommand = (cli: Cli): Command =>
  subcommand(
    'kpi',
    'how many alerts fire, floods, chattering and stale ones, time to acknowledge and to clear',
    'fieldwatch alerts kpi --since 30d\nfieldwatch alerts kpi --location coldroom --since 7d --json | jq .top',
  )
    .addOption(momentOption('--since <when>', 'timestamp or duration, e.g. 2026-01-01 or 30d', '30d'))
    .option('--until <when>', 'timestamp or duration, e.g. 2026-01-01 or 30d (default: now)', momentArgument)
    .option('--sensor <key>', 'only this sensor; may be repeated', repeated)
    .option('--location <name>', 'only sensors of this location')
    .option(...configOption)
    .option(...jsonOption)
    .action(
      onDatabase<Options>(cli, async (db, options) => {
        const nowMs = Date.now();
        const range = { from: options.since(nowMs), to: options.until?.(nowMs) ?? new Date(nowMs) };
        const { sensor, location } = options;
        const rows = await alertEpisodes(db, { ...range, sensor, location });
        const kpis = alertKpis(rows.map(toEpisode), {
          fromMs: range.from.getTime(),
          toMs: range.to.getTime(),
        });
        const before = new Date(nowMs - STALE_MS);
        const stale = await staleEpisodes(db, { before, sensor, location, limit: STALE_ROWS });
        const system = await systemEpisodes(db, { ...range, sensor, location });
        if (options.json === true) print(cli, jsonOf(range, { kpis, stale, system }));
        else printKpis(cli, range, { kpis, stale, system }, nowMs);
        return 0;
      }),
    );

interface Figures {
  readonly kpis: AlertKpis;
  readonly stale: readonly EpisodeRow[];
  /** Alerts of the system itself, which `kpis` leave out; undefined unless requested. */
  readonly system: readonly SystemEpisodes[] | undefined;
}

const toEpisode = ({ fired, resolved, acked, ...rest }: EpisodeRow) => ({
  ...rest,
  firedMs: fired.getTime(),
  resolvedMs: resolved?.getTime() ?? null,
  ackedMs: acked?.getTime() ?? null,
});

/** One document; names as in the database, times in ISO 8601. */
function jsonOf({ from, to }: TimeRange, { kpis, stale, system }: Figures): string {
  const floods = kpis.floods.map(({ fromMs, untilMs, fired }) => ({
    from: new Date(fromMs),
    until: untilMs === undefined ? null : new Date(untilMs),
    fired,
  }));
  const open = stale.map(({ sensor, alertType, severity, fired, acked }) => {
    return { sensor, alertType, severity, fired, acked };
  });
  return JSON.stringify(named({ from, until: to, ...kpis, floods, stale: open, system: system ?? null }));
}

function named(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(named);
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, part]) => [snakeCase(name), named(part as unknown)]),
  );
}

function printKpis(cli: Cli, range: TimeRange, figures: Figures, nowMs: number) {
  const { kpis, stale, system } = figures;
  const paint = createPaint(wantsColor(cli));
  const section = <Row>(title: string, columns: readonly Column<Row>[], rows: readonly Row[]) => {
    if (rows.length === 0) return;
    print(cli, `\n${paint.bold(title)}${rows.length > SHOWN ? ` (${SHOWN} of ${rows.length})` : ''}`);
    print(cli, tableLines(columns, rows.slice(0, SHOWN), paint).join('\n'));
  };
  print(cli, `${formatTime(range.from)} to ${formatTime(range.to)}`);
  for (const [name, text] of summary(figures)) print(cli, `  ${name.padEnd(20)}${text}`);
  section('severity', SEVERITY, kpis.severities);
  section('most frequent', TOP, kpis.top);
  section(
    'chattering',
    [...TOP, { title: 'most in 10 min', value: (row) => row.most10min }],
    kpis.chattering,
  );
  section('floods', FLOODS, kpis.floods);
  section('open for more than 24 h', staleColumns(nowMs), stale);
  section('of the system', SYSTEM, system ?? []);
}

function summary({ kpis, stale, system }: Figures): readonly (readonly [string, string])[] {
  const rate = (value: number) => value.toFixed(2);
  return [
    ['fired', `${kpis.fired}${kpis.backfilled === 0 ? '' : `, and ${kpis.backfilled} backfilled`}`],
    ['per hour', rate(kpis.perHour)],
    ['per 10 minutes', `${rate(kpis.per10min)}, at most ${kpis.most10min}`],
    ['in flood', `${percent(kpis.floodShare)} of the time, ${counted(kpis.floods.length, 'flood')}`],
    ['chattering', String(kpis.chattering.length)],
    ['open for > 24 h', `${stale.length}${stale.length === STALE_ROWS ? ' or more' : ''}`],
    ['ten most frequent', `${percent(kpis.topShare)} of all`],
    ['to acknowledge', spreadText(kpis.toAck)],
    ['to clear', spreadText(kpis.toClear)],
    ...(system === undefined ? [] : [['of the system', systemSummary(system)] as const]),
  ];
}

function systemSummary(system: readonly SystemEpisodes[]): string {
  const total = (of: 'fired' | 'open') => system.reduce((sum, each) => sum + each[of], 0);
  return `${total('fired')} fired, ${total('open')} open now`;
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;

function spreadText({ count, medianS, p90S, longestS }: Spread): string {
  if (medianS === null || p90S === null || longestS === null) return '-';
  return `median ${formatSeconds(medianS)}, 90 % within ${formatSeconds(p90S)}, at most ${formatSeconds(longestS)} (${count})`;
}

const FIRED: readonly Column<{ readonly fired: number; readonly share: number }>[] = [
  { title: 'fired', value: (row) => row.fired },
  { title: 'share', value: (row) => row.share, format: (_, row) => percent(row.share) },
];
const SEVERITY: readonly Column<AlertKpis['severities'][number]>[] = [
  { title: 'severity', value: (row) => row.severity },
  ...FIRED,
];
const TOP: readonly Column<AlertKpis['top'][number]>[] = [
  { title: 'sensor', value: (row) => row.sensor },
  { title: 'alert_type', value: (row) => row.alertType },
  ...FIRED,
];
const FLOODS: readonly Column<AlertKpis['floods'][number]>[] = [
  { title: 'from', value: (row) => new Date(row.fromMs) },
  { title: 'until', value: (row) => (row.untilMs === undefined ? null : new Date(row.untilMs)) },
  { title: 'fired', value: (row) => row.fired },
];
const SYSTEM: readonly Column<SystemEpisodes>[] = [
  { title: 'alert_type', value: (row) => row.alertType },
  { title: 'fired', value: (row) => row.fired },
  { title: 'open', value: (row) => row.open },
  {
    title: 'median to clear',
    value: (row) => row.medianClearS,
    format: (_, row) => (row.medianClearS === null ? '-' : formatSeconds(row.medianClearS)),
  },
];
const staleColumns = (nowMs: number): readonly Column<EpisodeRow>[] => [
  { title: 'sensor', value: (row) => row.sensor },
  { title: 'alert_type', value: (row) => row.alertType },
  { title: 'severity', value: (row) => row.severity },
  { title: 'fired', value: (row) => row.fired },
  {
    title: 'open for',
    value: (row) => nowMs - row.fired.getTime(),
    format: (_, row) => formatSeconds((nowMs - row.fired.getTime()) / 1000),
  },
];
