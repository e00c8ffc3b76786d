import { toSignificant } from '../../format-number.ts';
import type { CatalogRow } from '../catalog.ts';
import type { PolicyCheck } from '../check.ts';
import type { Finding } from '../finding.ts';
import type { PolicyPlan } from '../plan.ts';
import { literal } from '../repair/policy-sql.ts';
import { optionalNumber } from '../row.ts';
import { type CatalogSnapshot, existingRelations } from '../snapshot.ts';

const CHECK = 'disk';
/** Figures that the daemon writes to app_metrics, and that this check reads. */
export const DATABASE_SIZE = 'fieldwatch_database_size_bytes';
export const FREE_SPACE = 'fieldwatch_data_folder_free_bytes';

/** Long enough to even out compression and retention, which proceed by chunk; short enough to be current. */
const WINDOW = '7 days';
const LEAST_DAYS_SEEN = 2;
/** An older figure is stale: the daemon was not running. */
const FRESH = '1 hour';

const newest = (name: string): string =>
  `(SELECT value FROM app_metrics WHERE metric_name = ${literal(name)} AND time > now() - INTERVAL '${FRESH}'
    ORDER BY time DESC LIMIT 1)`;

const QUERY = `
SELECT ${newest(DATABASE_SIZE)} AS size, ${newest(FREE_SPACE)} AS free,
  regr_slope(value, extract(epoch FROM time)) * 86400 AS per_day,
  (extract(epoch FROM max(time) - min(time)) / 86400)::float8 AS days
FROM app_metrics WHERE metric_name = ${literal(DATABASE_SIZE)} AND time > now() - INTERVAL '${WINDOW}'`;

/** The database does not outgrow its disk, or its budget, soon. No finding if neither is known. */
export const diskCheck: PolicyCheck = {
  name: CHECK,
  about: 'at the present rate there is room for long enough',
  queries: (plan, snapshot) => (figuresKept(plan, snapshot) ? [{ text: QUERY }] : []),
  evaluate: ({ disk }, _facts, [rows]) => {
    const figures = figuresOf(rows?.[0] ?? {}, disk.budgetBytes);
    if (figures === undefined) return [];
    const { room, perDay, days } = figures;
    if (room <= 0) return [finding('critical', `${describe(figures)}: no room left`, disk.leastDays)];
    if (perDay <= 0 || days < LEAST_DAYS_SEEN) return [];
    const left = room / perDay;
    if (left >= disk.leastDays) return [];
    const severity = left < disk.leastDays / 4 ? 'critical' : 'warning';
    const rate = `it grew by ${size(perDay)} a day in the last ${Math.round(days)} days`;
    return [
      finding(severity, `${describe(figures)}, ${rate}: full in ${Math.floor(left)} days`, disk.leastDays),
    ];
  },
};

function figuresKept(plan: PolicyPlan, snapshot: CatalogSnapshot): boolean {
  return existingRelations(plan, snapshot).some(({ relation }) => relation.name === 'app_metrics');
}

interface Figures {
  readonly size: number;
  /** The remaining growth, and the limit that sets it. */
  readonly room: number;
  readonly limit: 'free' | 'budget';
  readonly perDay: number;
  readonly days: number;
}

function figuresOf(row: CatalogRow, budgetBytes: number | undefined): Figures | undefined {
  const [now, free] = [optionalNumber(row, 'size'), optionalNumber(row, 'free')];
  if (now === undefined) return undefined;
  const [perDay, days] = [optionalNumber(row, 'per_day') ?? 0, optionalNumber(row, 'days') ?? 0];
  const within = budgetBytes === undefined ? Infinity : budgetBytes - now;
  const room = Math.min(free ?? Infinity, within);
  if (room === Infinity) return undefined;
  return { size: now, room, limit: within < (free ?? Infinity) ? 'budget' : 'free', perDay, days };
}

const describe = ({ size: now, room, limit }: Figures): string =>
  limit === 'free'
    ? `the database has ${size(now)}, its disk ${size(room)} free`
    : `the database has ${size(now)} of its budget of ${size(now + room)}`;

function finding(severity: 'warning' | 'critical', actual: string, leastDays: number): Finding {
  return {
    check: CHECK,
    subject: 'database',
    verdict: 'unsafe',
    severity,
    expected: `room for ${leastDays} days at the present rate`,
    actual,
    remedy:
      'see `fieldwatch storage stats` for what grows; shorten a retention, compress earlier, or make room (or raise policies.disk.budget)',
  };
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

function size(bytes: number): string {
  const power = Math.min(Math.max(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), 0), UNITS.length - 1);
  return `${toSignificant(bytes / 1024 ** power, 3)} ${UNITS[power]}`;
}
