import type { ReadinessCheck } from '../adapters/http/server.ts';
import type { Context } from './context.ts';
import { counted } from '../core/counted.ts';
import { isNote } from '../core/policy/finding.ts';
import type { Connectivity } from '../ports/messages.ts';
import type { BatchWriter } from '../services/ingest/batch-writer.ts';
import type { DatabaseProbe } from '../services/ingest/database-probe.ts';
import type { StaleRoutes } from '../services/ingest/stale-routes.ts';
import type { NotificationDispatcher } from '../services/notify/dispatcher.ts';
import type { PolicyScheduler } from '../services/policy/scheduler.ts';
import type { SpoolHealth } from '../services/spool/spool-writer.ts';

/** A write without progress for this time is stuck: every statement has a time limit far below. */
const STUCK_AFTER_MS = 300_000;

export interface HealthSources {
  readonly writer: BatchWriter;
  readonly scheduler: PolicyScheduler | undefined;
  readonly dispatcher: NotificationDispatcher;
  readonly watchedRoutes: StaleRoutes;
  readonly connectivity: () => Connectivity;
  /** How far the database server's clock is ahead, while the daemon uses it. */
  readonly clockCorrectionMs: () => number | undefined;
  readonly probe: Pick<DatabaseProbe, 'trouble'>;
  /** In a share group: members that block evaluation. */
  readonly awaited?: (() => readonly string[]) | undefined;
}

/** Readiness checks of a running daemon. */
export const checksOf = (
  context: Pick<
    Context,
    'writer' | 'scheduler' | 'dispatcher' | 'watchedRoutes' | 'live' | 'clockMonitor' | 'probe' | 'shared'
  >,
): readonly ReadinessCheck[] => {
  const { live, clockMonitor, shared } = context;
  return readinessChecks({
    ...context,
    connectivity: () => live.connectivity,
    clockCorrectionMs: () => clockMonitor.correctionMs,
    awaited: shared && (() => shared.awaited()),
  });
};

/** The parts of `/readyz`. The broker and the database make the daemon unready; the rest only degrades it. */
export function readinessChecks({
  writer,
  scheduler,
  dispatcher,
  watchedRoutes,
  connectivity,
  clockCorrectionMs,
  probe,
  awaited,
}: HealthSources): readonly ReadinessCheck[] {
  return [
    { name: 'mqtt', check: () => broker(connectivity()) },
    {
      name: 'database',
      check: () => {
        const { health, spoolHealth } = writer;
        const trouble = health.state === 'ok' ? probe.trouble : health;
        if (trouble === undefined) return { status: 'ok' };
        const detail = `${trouble.code}: ${trouble.message}`;
        // Arrivals are safe in the spool, or will be: for readiness the daemon accepts messages.
        const spooled = spoolHealth !== undefined && spoolHealth.trouble === undefined;
        return {
          status: spooled && (spoolHealth.keeps || health.state === 'ok') ? 'degraded' : 'fail',
          detail,
        };
      },
    },
    { name: 'spool', check: () => spool(writer.spoolHealth) },
    ...(awaited === undefined ? [] : [{ name: 'alerts', check: () => evaluation(awaited()) }]),
    { name: 'clock', check: () => clock(clockCorrectionMs()) },
    {
      name: 'routes',
      check: () => {
        const silent = watchedRoutes
          .silent()
          .map(({ name, lastMessageMs }) => `${name} since ${new Date(lastMessageMs).toISOString()}`);
        if (silent.length === 0) return { status: 'ok' };
        return { status: 'degraded', detail: `silent: ${silent.join(', ')}` };
      },
    },
    {
      name: 'policies',
      check: () => {
        const error = scheduler?.status().error;
        if (error !== undefined) return { status: 'degraded', detail: `cannot be verified: ${error}` };
        const count = scheduler?.findings().filter((finding) => !isNote(finding)).length ?? 0;
        return count === 0
          ? { status: 'ok' }
          : { status: 'degraded', detail: `${counted(count, 'finding')}: fieldwatch policies verify` };
      },
    },
    {
      name: 'notify',
      check: () => {
        const troubles = dispatcher.troubles().map(({ sink, detail }) => `${sink}: ${detail}`);
        return troubles.length === 0 ? { status: 'ok' } : { status: 'degraded', detail: troubles.join('; ') };
      },
    },
  ];
}

function clock(correctionMs: number | undefined): ReturnType<ReadinessCheck['check']> {
  if (correctionMs === undefined) return { status: 'ok' };
  const seconds = Math.round(Math.abs(correctionMs) / 1000);
  const side = correctionMs > 0 ? 'behind' : 'ahead of';
  return {
    status: 'degraded',
    detail: `this system's clock is ${seconds} s ${side} the database server's, whose time is used`,
  };
}

function spool(health: SpoolHealth | undefined): ReturnType<ReadinessCheck['check']> {
  if (health === undefined) return { status: 'ok' };
  const { trouble, parked, items } = health;
  if (trouble !== undefined)
    return { status: 'degraded', detail: `${trouble.code}: ${trouble.message}; messages wait at the broker` };
  if (parked > 0)
    return {
      status: 'degraded',
      detail: `${counted(parked, 'batch', 'batches')} set aside, retried at the next start`,
    };
  if (health.keeps)
    return { status: 'degraded', detail: `${counted(items, 'item')} waiting for the database` };
  return { status: 'ok' };
}

function evaluation(awaited: readonly string[]): ReturnType<ReadinessCheck['check']> {
  if (awaited.length === 0) return { status: 'ok' };
  return { status: 'degraded', detail: `alerts wait for readings that may be at ${awaited.join(', ')}` };
}

function broker(connectivity: Connectivity): ReturnType<ReadinessCheck['check']> {
  switch (connectivity.state) {
    case 'subscribed':
      if (connectivity.refused === 0) return { status: 'ok' };
      return {
        status: 'degraded',
        detail: `the broker refuses ${counted(connectivity.refused, 'subscription')}`,
      };
    case 'disconnected':
      return { status: 'fail', detail: connectivity.reason };
    case 'connecting':
    case 'connected':
      return { status: 'fail', detail: `${connectivity.state}, not yet subscribed` };
  }
}

/**
 * The watchdog condition. That it is evaluated at all shows a running event loop; it is false when a write of a batch to
 * the database has been under way for `STUCK_AFTER_MS`, after which only a restart can help.
 */
export function isAlive(writer: BatchWriter, nowMs: number): boolean {
  return writer.busySinceMs === undefined || nowMs - writer.busySinceMs < STUCK_AFTER_MS;
}
