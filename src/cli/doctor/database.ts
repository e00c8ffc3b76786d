import {
  ENCODING_REMEDY,
  ENCODING_WARNING,
  type ServerReport,
} from '../../adapters/timescale/connection/examine.ts';
import type { MigrationStatus } from '../../adapters/timescale/migrate/migration-status.ts';
import { counted } from '../../core/counted.ts';
import { type Finding, isNote } from '../../core/policy/finding.ts';
import type { Totals } from '../../queries/status.ts';
import { type Diagnosis, areaOf } from './report.ts';

const database = areaOf('database');
const schema = areaOf('schema');
const policies = areaOf('policies');

const CLOCK_WARNING_MS = 2_000;
const CLOCK_FAULT_MS = 60_000;

/** Ours minus theirs; the answer was given somewhere within `roundTripMs`. */
export function checkClock(differenceMs: number, roundTripMs: number): Diagnosis {
  const certain = Math.max(0, Math.abs(differenceMs) - roundTripMs / 2);
  const detail = `differs from this machine's by ${(Math.abs(differenceMs) / 1000).toFixed(1)} s`;
  if (certain < CLOCK_WARNING_MS) return database.ok('clock', detail);
  const remedy =
    'run a time service (chrony, systemd-timesyncd) on both machines: policies and alerts go by these clocks';
  const diagnosis = { subject: 'clock', detail, remedy };
  return certain < CLOCK_FAULT_MS ? database.warning(diagnosis) : database.fault(diagnosis);
}

/** The pooler between this machine and the server, and the encoding of the database. */
export function checkConnection({ pooler, encoding }: ServerReport): readonly Diagnosis[] {
  const found: Diagnosis[] = [];
  if (pooler !== undefined)
    found.push(database.note('pooler', 'a pooler of whole sessions is before the server'));
  if (encoding !== 'UTF8')
    found.push(
      database.warning({
        subject: 'encoding',
        detail: `${encoding}: ${ENCODING_WARNING}`,
        remedy: ENCODING_REMEDY,
      }),
    );
  return found;
}

export const checkServer = (version: string, timescaledb: string | null): Diagnosis =>
  database.ok(
    'server',
    `${/^\S+ \S+/.exec(version)?.[0] ?? version}, TimescaleDB ${timescaledb ?? 'not installed'}`,
  );

export function checkSchema({ version, target, entries }: MigrationStatus): Diagnosis {
  const of = (state: MigrationStatus['entries'][number]['state']) =>
    entries.filter((entry) => entry.state === state).map(({ name }) => name);
  const unknown = of('unknown');
  const changed = of('changed');
  const subject = 'version';
  if (unknown.length > 0)
    return schema.fault({
      subject,
      detail: `version ${version}; this program knows up to ${target} (unknown: ${unknown.join(', ')})`,
      remedy: 'run the newer fieldwatch that migrated this database',
    });
  if (changed.length > 0)
    return schema.fault({
      subject,
      detail: `applied with another content: ${changed.join(', ')}`,
      remedy: 'use an unmodified release: files of sql/ are never edited',
    });
  const lost = entries.filter((entry) => entry.state === 'pending' && entry.version < version);
  if (lost.length > 0)
    return schema.fault({
      subject,
      detail: `schema_migrations has no row of ${lost.map(({ name }) => name).join(', ')}, though later ones are applied`,
      remedy: '`fieldwatch migrate` refuses, and says the row that has to be put back',
    });
  if (version < target)
    return schema.fault({
      subject,
      detail: `version ${version}, this program needs ${target}`,
      remedy: 'run `fieldwatch migrate`, or start the daemon with database.migrate_at_start: true',
    });
  return schema.ok(subject, `version ${version}, up to date`);
}

/** From here on a limit is near. */
const NEAR = 0.8;

/** Sensors and metric names, which senders can add, compared with their limits. */
export function checkTotals(
  { sensors, metrics }: Totals,
  limits: { readonly sensors: number; readonly metrics: number },
): readonly Diagnosis[] {
  const checkCount = (subject: string, count: number, max: number, remedy: string) => {
    const detail = `${count} of ${max}`;
    return count < max * NEAR
      ? database.ok(subject, detail)
      : database.warning({
          subject,
          detail: `${detail}: ${count < max ? 'close to the limit' : 'full'}`,
          remedy,
        });
  };
  return [
    checkCount(
      'sensors',
      sensors,
      limits.sensors,
      'restrict sensors.allow if senders invent names (`fieldwatch sensors list`); otherwise raise sensors.max, with 2 KB of memory for each',
    ),
    checkCount(
      'metric names',
      metrics,
      limits.metrics,
      'see `fieldwatch metrics list`; delete what is junk (`fieldwatch metrics forget`), restrict metrics.allow, or raise metrics.max',
    ),
  ];
}

/** The findings of the policy checks, and one line without findings. */
export function checkPolicies(findings: readonly Finding[], checks: number): readonly Diagnosis[] {
  const diagnoses = findings.map((finding): Diagnosis => {
    // A fault of the server itself is not a fault of a policy.
    const area = finding.subject === 'server' ? database : policies;
    const detail = `${finding.verdict}: ${finding.actual}; expected ${finding.expected}`;
    if (isNote(finding)) return area.note(finding.subject, detail);
    return area.fault({ subject: finding.subject, detail, remedy: finding.remedy });
  });
  return findings.every(isNote)
    ? [policies.ok('policies', `${counted(checks, 'check')}, no fault`), ...diagnoses]
    : diagnoses;
}
