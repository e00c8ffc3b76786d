import { FieldwatchError } from '../../core/errors.ts';
import type { Retention } from '../../core/series-plan.ts';
import { verdictOf } from '../../core/verdict.ts';
import { endsWithin } from '../../lib/timeout.ts';
import { type AlertCounts, alertCounts } from '../../queries/alert-episodes.ts';
import { countDeadLetters } from '../../queries/dead-letters.ts';
import { type StateCounts, countStates } from '../../queries/sensor-index.ts';
import { type Status, statusSchema } from '../contract/status.ts';
import type { ApiDeps } from '../deps.ts';
import { resource } from './resource.ts';
import { isoOfMs, seconds } from './values.ts';

const DAY_MS = 86_400_000;
const MOST_LETTERS = 10_000;
/** Facts of the daemon itself wait no longer for a database that may not answer at all. */
const PATIENCE_MS = 5000;

/** Facts of the database; undefined while it does not answer: then the rest is still shown. */
interface Stored {
  readonly alerts: AlertCounts;
  readonly sensors: StateCounts;
  readonly deadLetters: number;
}

export const status = resource({
  id: 'status',
  method: 'GET',
  path: '/status',
  tag: 'daemon',
  summary: 'The daemon at a glance: whether all is well, and if not why',
  role: 'viewer',
  answer: statusSchema,
  async handle({ by }, deps): Promise<Status> {
    const { program, clock, daemon } = deps;
    const database = daemon.database();
    const figures = deps.shared.read('status', () => storedFigures(deps));
    const stored = (await endsWithin(figures, PATIENCE_MS, clock)) ? await figures : undefined;
    const policies = daemon.policies();
    const findings = (severity: string) =>
      policies?.findings.filter((finding) => finding.severity === severity).length ?? 0;
    const checks = daemon.health();
    const facts = {
      ...{ database, broker: daemon.broker(), spool: daemon.spool(), notifications: daemon.sinks() },
      alerts: stored?.alerts ?? null,
      sensors: stored === undefined ? null : { total: totalOf(stored.sensors), ...withoutOk(stored.sensors) },
      policies:
        policies === undefined
          ? null
          : {
              ...{ errors: findings('critical'), warnings: findings('warning') },
              checkedAt: isoOfMs(policies.verifiedAtMs),
            },
    };
    const kept = daemon.retention();
    return {
      version: program.version,
      startedAt: new Date(program.startedAtMs).toISOString(),
      now: new Date(clock.nowMs()).toISOString(),
      clientId: program.clientId,
      embedded: program.embedded.database && program.embedded.broker,
      verdict: verdict(facts, deps, policies?.error),
      health: { status: worstOf(checks), checks },
      intake: daemon.intake(),
      ...facts,
      deadLetters: stored === undefined ? null : { lastDay: stored.deadLetters },
      retention: { ...secondsOf(kept.columns), further: secondsOf(kept.further) },
      access: { ...by, canWrite: by.role === 'operator' },
    };
  },
});

const secondsOf = ({ raw, hourly, daily }: Retention) => ({
  ...{ rawS: seconds(raw), hourlyS: seconds(hourly), dailyS: seconds(daily) },
});

type Facts = Pick<
  Status,
  'database' | 'broker' | 'spool' | 'notifications' | 'alerts' | 'sensors' | 'policies'
>;

function verdict(facts: Facts, { daemon }: ApiDeps, policyError: string | undefined): Status['verdict'] {
  const { database, broker, spool, alerts, sensors, policies, notifications } = facts;
  const { ok, severity, sentence, reasons } = verdictOf({
    database: { connected: database.connected, detail: database.detail ?? undefined },
    broker: {
      subscribed: broker.state === 'subscribed',
      detail: broker.detail ?? undefined,
      refused: broker.refusedFilters,
    },
    spool: spool === null ? undefined : { ...spool, detail: spool.detail ?? undefined },
    alerts: alerts ?? undefined,
    sensors: sensors ?? undefined,
    policies: policies === null ? undefined : { ...policies, error: policyError },
    sinks: notifications.flatMap(({ sink, detail }) => (detail === null ? [] : { sink, detail })),
    silentRoutes: daemon.silentRoutes(),
    clockOffS: daemon.clockOffS(),
  });
  return { ok, severity, sentence, reasons: [...reasons] };
}

async function storedFigures({ db, sensors, clock }: ApiDeps): Promise<Stored | undefined> {
  try {
    return {
      alerts: await alertCounts(db),
      sensors: countStates(await sensors.all()),
      deadLetters: await countDeadLetters(db, new Date(clock.nowMs() - DAY_MS), MOST_LETTERS),
    };
  } catch (error) {
    if (error instanceof FieldwatchError && error.kind !== 'bug') return undefined;
    throw error;
  }
}

const totalOf = ({ ok, alert, silent, never }: StateCounts): number => ok + alert + silent + never;
const withoutOk = ({ alert, silent, never }: StateCounts) => ({ alert, silent, never });

function worstOf(checks: Status['health']['checks']): Status['health']['status'] {
  if (checks.some((check) => check.status === 'fail')) return 'fail';
  return checks.some((check) => check.status === 'degraded') ? 'degraded' : 'ok';
}
