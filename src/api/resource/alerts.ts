import { FieldwatchError } from '../../core/errors.ts';
import { type AlertLabels, matches } from '../../core/alert/suppress/matcher.ts';
import * as z from '../../core/schema/zod.ts';
import {
  type EpisodeRecord,
  type EpisodeRow,
  activeSilences,
  cursorOf,
  episodeRecord,
  openEpisodes,
  pastEpisodes,
  pendingEpisodes,
} from '../../queries/alert-episodes.ts';
import type { Db } from '../../queries/db.ts';
import {
  type Alert,
  type AlertDetail,
  alertDetailSchema,
  alertListSchema,
  alertParams,
  alertsQuery,
} from '../contract/alerts.ts';
import { courseOf, curveOf } from './alert-course.ts';
import { alertItem } from './alert-item.ts';
import { pageOf, rangeOf, readCursor } from './paging.ts';
import { resource } from './resource.ts';
import { iso, isoOrNull } from './values.ts';

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
  async handle({ query }, { db, clock }) {
    const { state, from, to, cursor, limit, ...filter } = query;
    const nowMs = clock.nowMs();
    const after = readCursor(cursor, position);
    const page = { ...filter, after, limit: limit + 1 };
    const read = (): Promise<readonly EpisodeRow[]> => {
      if (state === 'open') return openEpisodes(db, page);
      // They are few, and gone within minutes: one page has them all.
      if (state === 'pending') return pendingEpisodes(db, { ...filter, limit });
      return pastEpisodes(db, {
        ...page,
        ...rangeOf({ from, to }, nowMs),
        resolvedOnly: state === 'resolved',
      });
    };
    const { rows, next } = pageOf(await read(), limit, cursorOf);
    return { items: rows.map((row) => alertItem(row, nowMs)), next };
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
  async handle({ params }, { db, clock }): Promise<AlertDetail> {
    const record = await episodeRecord(db, params.alertId);
    if (record === undefined) throw unknownAlert(params.alertId);
    const nowMs = clock.nowMs();
    const last = record.rows.at(-1) ?? record.rows[0];
    const item = alertItem(last, nowMs);
    return {
      ...item,
      transitions: courseOf(record),
      deliveries: record.deliveries.map(({ sink, event, queuedAt, doneAt, outcome, origin, heldUntil }) => ({
        ...{ sink, event, outcome, origin },
        queuedAt: iso(queuedAt),
        heldUntil: isoOrNull(heldUntil),
        doneAt: isoOrNull(doneAt),
      })),
      silences: item.resolvedAt === null && !item.system ? await silencesOf(db, record, item) : [],
      curve: curveOf(record, item.metric, nowMs),
    };
  },
});

export const unknownAlert = (alertId: string): FieldwatchError =>
  new FieldwatchError(`no alert has the id ${alertId}`, {
    code: 'ALERT_UNKNOWN',
    kind: 'data',
    remedy: 'GET /api/v1/alerts?state=all lists alerts; the retention policy drops old ones.',
  });

async function silencesOf(
  db: Db,
  { rows, notifications }: EpisodeRecord,
  item: Alert,
): Promise<AlertDetail['silences']> {
  const row = rows.at(-1) ?? rows[0];
  const labels: AlertLabels = {
    sensor: { id: row.sensorId, key: row.sensor, type: row.type, location: row.location, tags: row.tags },
    metric: item.metric ?? '',
    alertType: item.alertType,
    severity: item.severity,
    labels: notifications.at(-1)?.labels ?? null,
  };
  const active = await activeSilences(db);
  return active
    .filter(({ matchers }) => matches(matchers, labels))
    .map(({ id, endsAt, by, comment }) => ({ id, by, comment, endsAt: iso(endsAt) }));
}
