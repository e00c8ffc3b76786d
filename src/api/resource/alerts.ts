import { FieldwatchError } from '../../core/errors.ts';
import * as z from '../../core/schema/zod.ts';
import { courseOf, curveOf } from '../../queries/alert-course.ts';
import {
  cursorOf,
  episodeRecord,
  listEpisodes,
  metricAndKind,
  recordedRoutes,
  silencesOf,
} from '../../queries/alert-episodes.ts';
import {
  type AlertDetail,
  alertDetailSchema,
  alertListSchema,
  alertParams,
  alertsQuery,
} from '../contract/alerts.ts';
import { alertItem } from './alert-item.ts';
import { pageOf, rangeOf, readCursor } from './paging.ts';
import { resource } from './resource.ts';
import { finite, iso, isoOrNull } from './values.ts';

const position = z.tuple([z.string().max(64), z.int(), z.string(), z.string(), z.string()]);

export const alerts = resource({
  id: 'alerts',
  method: 'GET',
  path: '/alerts',
  tag: 'alerts',
  summary: 'Alerts that are open, pending or past, the newest first',
  role: 'viewer',
  shared: true,
  query: alertsQuery,
  answer: alertListSchema,
  async handle({ query }, { db, clock, daemon }) {
    const { state, from, to, cursor, limit, ...filter } = query;
    const nowMs = clock.nowMs();
    const after = readCursor(cursor, position);
    const range = () => rangeOf({ from, to }, nowMs);
    // Pending ones are no pages.
    const most = state === 'pending' ? limit : limit + 1;
    const found = await listEpisodes(db, { ...filter, state, range, after, limit: most });
    const { rows, next } = pageOf(found, limit, cursorOf);
    return { items: rows.map((row) => alertItem(row, nowMs, daemon.unitOf)), next };
  },
});

export const alert = resource({
  id: 'alert',
  method: 'GET',
  path: '/alerts/:alertId',
  tag: 'alerts',
  summary: 'One alert and its course',
  role: 'viewer',
  params: alertParams,
  answer: alertDetailSchema,
  faults: ['ALERT_UNKNOWN'],
  async handle({ params }, { db, clock, daemon }): Promise<AlertDetail> {
    const record = await episodeRecord(db, params.alertId);
    if (record === undefined) throw unknownAlert(params.alertId);
    const nowMs = clock.nowMs();
    const { episode } = record;
    const routes = recordedRoutes(record.deliveries);
    const curve = curveOf(record, metricAndKind(episode).metric, nowMs);
    return {
      ...alertItem(episode, nowMs, daemon.unitOf),
      transitions: courseOf(record).map(({ at, until, value, ...step }) => ({
        ...step,
        ...{ at: iso(at), until: isoOrNull(until), value: finite(value) },
      })),
      deliveries: record.deliveries.map((each) => ({
        ...{ sink: each.sink, event: each.event, outcome: each.outcome, origin: each.origin },
        queuedAt: iso(each.queuedAt),
        heldUntil: isoOrNull(each.heldUntil),
        doneAt: isoOrNull(each.doneAt),
        route: routes(each) ?? null,
      })),
      silences: (await silencesOf(db, record)).map(({ id, endsAt, by, comment }) => ({
        ...{ id, by, comment },
        endsAt: iso(endsAt),
      })),
      curve: curve && { metric: curve.metric, from: iso(curve.from), to: iso(curve.to) },
    };
  },
});

export const unknownAlert = (alertId: string): FieldwatchError =>
  new FieldwatchError(`no alert has the id ${alertId}`, {
    code: 'ALERT_UNKNOWN',
    kind: 'data',
    remedy: 'GET /api/v1/alerts?state=all lists alerts; the retention policy drops old ones.',
  });
