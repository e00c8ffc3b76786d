import { extremeOf } from '../../core/alert/extreme.ts';
import { isAbsence, isOfAbsence } from '../../core/alert/kind/index.ts';
import { alertUnit } from '../../core/alert/kind/alert-unit.ts';
import { SEVERITIES, type Severity } from '../../core/alert/model.ts';
import { type StatedUnit, metricUnit } from '../../core/metric-unit.ts';
import { type SensorState, sensorState } from '../../core/sensor-state.ts';
import type { Clock } from '../../ports/time.ts';
import {
  type AlertFacts,
  type CurrentAlert,
  type PublishedAlert,
  alertMark,
  currentAlerts,
  publishedSince,
  sensorIds,
} from '../../queries/alert-changes.ts';
import type { Db } from '../../queries/db.ts';
import { latestValues } from '../../queries/latest-values.ts';
import { ALERT_STATES, type Alert, type AlertState } from '../contract/alerts.ts';
import type { EventData } from '../contract/events.ts';
import type { StoredChanges } from './feed.ts';
import type { NewEvent } from './hub.ts';

/** Events of one poll; if there are more, `reset` is sent. */
const MOST_EVENTS = 500;
/** Published events of one poll, those of the overlap included. */
const MOST_PUBLISHED = 2000;
const MOST_STATES = 20_000;
/** A key may be that of another sensor by then: forgotten and registered again, renamed, merged. */
const IDS_FRESH_MS = 10_000;
/** A transaction that began earlier may be committed later: what was sent already is not sent again. */
const OVERLAP_MS = 10_000;

type AlertEvent = EventData<'alert'>;

const keyOf = ({ sensorId, alertType, metric, kind }: CurrentAlert): string =>
  `${sensorId} ${alertType} ${metric} ${kind}`;

/** Changes that are read from the database: those of every daemon that writes into it. */
export class DatabaseChanges implements StoredChanges {
  readonly #db: Db;
  readonly #clock: Clock;
  readonly #stated: StatedUnit;
  #since: string | undefined;
  #mark = '';
  #states: ReadonlyMap<string, CurrentAlert> = new Map();
  /** Notifications that were sent, with the time of their poll. */
  #sent = new Map<string, number>();
  readonly #ids = new Map<string, number>();
  #idsAtMs = -Infinity;
  readonly #newest = new Map<string, number>();

  constructor(db: Db, clock: Clock, stated: StatedUnit = () => undefined) {
    this.#db = db;
    this.#clock = clock;
    this.#stated = stated;
  }

  begin(): void {
    this.#since = undefined;
    this.#newest.clear();
  }

  get hasBegun(): boolean {
    return this.#since !== undefined;
  }

  async poll(): Promise<readonly NewEvent[] | undefined> {
    const { mark, now } = await alertMark(this.#db);
    const since = this.#since;
    // The first poll finds what is there already: it is no change.
    const published = await publishedSince(this.#db, since ?? before(now), MOST_PUBLISHED);
    const states = mark === this.#mark && since !== undefined ? this.#states : await this.#statesNow();
    const fresh = this.#unsent(published);
    const events = since === undefined ? [] : this.#eventsOf(fresh, states);
    [this.#since, this.#mark, this.#states] = [before(now), mark, states];
    const isTooMuch = events.length > MOST_EVENTS || published.length >= MOST_PUBLISHED;
    return since !== undefined && isTooMuch ? undefined : events;
  }

  async values(keys: readonly string[]): Promise<readonly (NewEvent & { readonly sensor: string })[]> {
    const atMs = this.#clock.monotonicMs();
    if (atMs - this.#idsAtMs >= IDS_FRESH_MS) {
      this.#ids.clear();
      this.#idsAtMs = atMs;
    }
    const unknown = keys.filter((key) => !this.#ids.has(key));
    if (unknown.length > 0)
      for (const { id, key } of await sensorIds(this.#db, unknown)) this.#ids.set(key, id);
    const nowMs = this.#clock.nowMs();
    const wanted = keys.flatMap((key) => {
      const id = this.#ids.get(key);
      return id === undefined ? [] : [{ key, id, lastSeenMs: nowMs }];
    });
    const found = await latestValues(this.#db, wanted, { nowMs });
    return wanted.flatMap(({ key, id }) => {
      const rows = (found.get(id) ?? []).filter(({ value }) => Number.isFinite(value));
      const newestMs = rows.reduce((most, { time }) => Math.max(most, time.getTime()), -Infinity);
      if (newestMs <= (this.#newest.get(key) ?? -Infinity)) return [];
      this.#newest.set(key, newestMs);
      const latest = rows.map(({ metric, value, time, unit }) => ({
        ...{ metric, value, time: time.toISOString() },
        unit: unit ?? metricUnit(metric, Math.abs(value)) ?? null,
      }));
      const data: EventData<'sensor'> = { key, state: null, lastSeen: iso(newestMs), latest };
      return [{ name: 'sensor', sensor: key, data }];
    });
  }

  async #statesNow(): Promise<ReadonlyMap<string, CurrentAlert>> {
    const rows = await currentAlerts(this.#db, MOST_STATES);
    return new Map(rows.map((row) => [keyOf(row), row]));
  }

  #unsent(published: readonly PublishedAlert[]): readonly PublishedAlert[] {
    const nowMs = this.#clock.monotonicMs();
    const fresh = published.filter(
      ({ notification: { alertId, seq } }) => !this.#sent.has(`${alertId} ${seq}`),
    );
    for (const { notification } of published)
      this.#sent.set(`${notification.alertId} ${notification.seq}`, nowMs);
    for (const [key, atMs] of this.#sent) if (nowMs - atMs > 2 * OVERLAP_MS) this.#sent.delete(key);
    return fresh;
  }

  #eventsOf(
    fresh: readonly PublishedAlert[],
    states: ReadonlyMap<string, CurrentAlert>,
  ): readonly NewEvent[] {
    const nowMs = this.#clock.nowMs();
    const events: NewEvent[] = fresh.map((row) => ({
      name: 'alert',
      data: published(row, nowMs, this.#stated),
    }));
    const former = this.#states;
    // A list that was cut at the limit does not show which alerts are gone.
    if (former === states || Math.max(former.size, states.size) >= MOST_STATES) return events;
    const emit = (event: AlertEvent['event'], alert: CurrentAlert) =>
      events.push({ name: 'alert', data: { event, alert: currentItem(alert, nowMs, this.#stated) } });
    for (const [key, now] of states) {
      const was = former.get(key);
      if (now.state === 'pending' && was?.state !== 'pending') emit('pending', now);
      if (now.ack !== null && was?.ack?.atMs !== now.ack.atMs) emit('acked', now);
    }
    for (const [key, was] of former) if (was.state === 'pending' && !states.has(key)) emit('cleared', was);
    return [...events, ...sensorEvents(former, states)];
  }
}

/** Sensors whose alerts are no longer what they were: `alert`, `silent`, or none of these. */
function sensorEvents(
  former: ReadonlyMap<string, CurrentAlert>,
  states: ReadonlyMap<string, CurrentAlert>,
): readonly NewEvent[] {
  const [was, now] = [statesBySensor(former), statesBySensor(states)];
  return [...new Set([...was.keys(), ...now.keys()])]
    .filter((key) => (was.get(key) ?? 'ok') !== (now.get(key) ?? 'ok'))
    .map((key) => {
      const data: EventData<'sensor'> = { key, state: now.get(key) ?? 'ok', lastSeen: null, latest: [] };
      return { name: 'sensor', data };
    });
}

function statesBySensor(states: ReadonlyMap<string, CurrentAlert>): ReadonlyMap<string, SensorState> {
  const counts = new Map<string, { alerts: number; missing: number }>();
  for (const { sensor, state, kind } of states.values()) {
    if (state === 'pending') continue;
    const count = counts.get(sensor) ?? { alerts: 0, missing: 0 };
    if (isAbsence(kind)) count.missing += 1;
    else count.alerts += 1;
    counts.set(sensor, count);
  }
  return new Map([...counts].map(([key, count]) => [key, sensorState({ ...count, lastSeenMs: 0 }, 0)]));
}

function published(
  { notification: n, ...facts }: PublishedAlert,
  nowMs: number,
  stated: StatedUnit,
): AlertEvent {
  const resolved = n.event === 'resolved';
  const system = n.sensorId === 0;
  return {
    event: n.event,
    alert: {
      ...{ alertId: n.alertId, system, sensor: n.sensorKey, alertType: n.alertType, message: n.message },
      ...common(facts, system ? '' : (n.metric ?? ''), system ? '' : (n.kind ?? ''), stated),
      severity: n.severity,
      state: resolved ? 'resolved' : stateOf(facts.state),
      ...{ value: finite(n.value), threshold: finite(n.threshold), peakValue: finite(n.peakValue) },
      ...{ extreme: extremeOf(n), absence: isOfAbsence(n) },
      time: iso(n.firedAtMs ?? n.eventTimeMs),
      startedAt: iso(n.startedAtMs),
      resolvedAt: resolved ? iso(n.eventTimeMs) : null,
      resolvedValue: finite(n.resolvedValue),
      resolveReason: n.reason,
      durationS: n.durationS ?? Math.max(0, (nowMs - n.startedAtMs) / 1000),
      suppressed: n.suppressed === 'backfill' ? null : (n.suppressed ?? null),
      backfilled: n.backfilled,
    },
  };
}

function currentItem(row: CurrentAlert, nowMs: number, stated: StatedUnit): Alert {
  const { alertId, sensor, alertType, metric, kind, startedAt, firedAt, beganAt } = row;
  const began = startedAt ?? beganAt;
  return {
    ...{ alertId, system: false, sensor, alertType, message: null },
    ...common(row, metric, kind, stated),
    severity: severityOf(row.severity),
    state: stateOf(row.state),
    ...{ value: finite(row.value), threshold: finite(row.threshold), peakValue: finite(row.peakValue) },
    ...{ extreme: extremeOf(row), absence: isOfAbsence(row) },
    time: (firedAt ?? began).toISOString(),
    startedAt: startedAt?.toISOString() ?? null,
    ...{ resolvedAt: null, resolvedValue: null, resolveReason: null },
    durationS: Math.max(0, (nowMs - began.getTime()) / 1000),
    ...{ suppressed: null, backfilled: false },
  };
}

const common = (
  { name, location, type, deferredBy, ack }: AlertFacts,
  metric: string,
  kind: string,
  stated: StatedUnit,
) => ({
  ...{ name, location, type, deferredBy },
  metric: metric === '' ? null : metric,
  unit: kind === '' ? null : (alertUnit(kind, metric, stated) ?? null),
  ackedAt: ack === null ? null : iso(ack.atMs),
  ackedBy: ack === null ? null : ack.by,
  ackedUntil: ack?.untilMs === undefined ? null : iso(ack.untilMs),
});

const iso = (ms: number): string => new Date(ms).toISOString();
const finite = (value: number | null): number | null =>
  value !== null && Number.isFinite(value) ? value : null;
const severityOf = (text: string): Severity => SEVERITIES.find((each) => each === text) ?? 'warning';
const stateOf = (text: string | null): AlertState => ALERT_STATES.find((each) => each === text) ?? 'firing';

/** A while before a time of the database, as it writes it. */
const before = (now: string): string =>
  iso(Date.parse(now.replace(' ', 'T').replace(/([+-]\d\d)$/, '$1:00')) - OVERLAP_MS);
