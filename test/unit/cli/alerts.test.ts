import { appendFileSync, mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { alertOfLogLine } from '../../../src/cli/alerts/log.ts';
import { AlertWatch } from '../../../src/cli/alerts/watch.ts';
import { followFile } from '../../../src/cli/alerts/follow-file.ts';
import type { AlertNotification } from '../../../src/core/alert/model.ts';
import type { AlertListRow } from '../../../src/queries/alerts.ts';
import { alertFields, alertLine } from '../../../src/services/alert/publisher.ts';

const row = (minute: number, change: Partial<AlertListRow> = {}): AlertListRow => ({
  time: new Date(minute * 60_000),
  sensorId: 1,
  sensor: 's1',
  location: null,
  alertType: 'temperature_high',
  severity: 'warning',
  message: null,
  value: 9,
  threshold: 8,
  alertId: 'episode-1',
  startedAt: new Date(minute * 60_000),
  resolvedAt: null,
  resolvedValue: null,
  resolveReason: null,
  peakValue: null,
  ackedAt: null,
  ackedBy: null,
  ackedUntil: null,
  suppressed: null,
  metric: 'temperature',
  kind: 'threshold',
  side: 'high',
  ...change,
});
const at = (minute: number) => new Date(minute * 60_000);
const names = (events: readonly { event: string; eventTimeMs: number }[]) =>
  events.map(({ event, eventTimeMs }) => `${event}@${eventTimeMs / 60_000}`);

describe('AlertWatch', () => {
  test('emits each change once', () => {
    const watch = new AlertWatch();
    expect(names(watch.update([row(1)]))).toEqual(['firing@1']);
    expect(names(watch.update([row(1)]))).toEqual([]);
    expect(watch.open).toEqual([row(1)]);
    const second = row(2, { severity: 'critical' });
    expect(names(watch.update([second, row(1)]))).toEqual(['escalated@2']);
    const end = { resolvedAt: at(5), peakValue: 12 };
    const events = watch.update([row(1, end), row(2, { ...second, ...end, startedAt: at(1) })]);
    expect(names(events)).toEqual(['resolved@5']);
    expect(events[0]).toMatchObject({ durationS: 240, peakValue: 12 });
    expect(watch.open).toEqual([]);
    expect(names(watch.update([row(1, end)]))).toEqual([]);
  });

  test('an alert that came and went between two polls is emitted whole, in order', () => {
    const watch = new AlertWatch();
    const rows = [row(7, { alertId: 'b', alertType: 'x_low' }), row(3, { resolvedAt: at(4) })];
    expect(names(watch.update(rows))).toEqual(['firing@3', 'resolved@4', 'firing@7']);
  });

  test('rows without an episode are episodes of their own', () => {
    const watch = new AlertWatch();
    const bare = { alertId: null, startedAt: null };
    expect(names(watch.update([row(1, bare), row(2, bare)]))).toEqual(['firing@1', 'firing@2']);
    expect(names(watch.update([row(1, { ...bare, resolvedAt: at(3) }), row(2, bare)]))).toEqual([
      'resolved@3',
    ]);
  });

  test('an unknown severity is shown as a warning', () => {
    expect(new AlertWatch().update([row(1, { severity: 'odd' })])).toMatchObject([{ severity: 'warning' }]);
  });
});

describe('a line of the alert log', () => {
  const notification: AlertNotification = {
    alertId: 'a',
    seq: 2,
    event: 'resolved',
    sensorId: 7,
    sensorKey: 's7',
    alertType: 'temperature_high',
    severity: 'critical',
    message: 'm',
    value: 7,
    threshold: 8,
    eventTimeMs: 60_000,
    startedAtMs: 0,
    durationS: 60,
    peakValue: 9,
    runbook: null,
    reason: 'value',
    resolvedValue: 7,
    backfilled: false,
  };

  test('is read as the daemon writes it', () => {
    const line = alertLine(notification, alertFields(notification, true), 'a temperature', 61_000);
    expect(alertOfLogLine(line)).toEqual({
      event: 'resolved',
      sensorKey: 's7',
      alertType: 'temperature_high',
      severity: 'critical',
      value: 7,
      threshold: 8,
      eventTimeMs: 60_000,
      durationS: 60,
      peakValue: 9,
      suppressed: null,
    });
  });

  test('has the metric and the kind, which its type does not always show', () => {
    const many = { ...notification, alertType: 'many', metric: 'many', kind: 'count' };
    const line = alertLine(many, alertFields(many, true), 'many', 61_000);
    expect(alertOfLogLine(line)).toMatchObject({ alertType: 'many', metric: 'many', kind: 'count' });
  });

  test.each([
    '',
    '{',
    '[]',
    'null',
    '{"msg":"stored"}',
    '{"event":"firing","alert_type":"x"}',
    '{"event":"firing"',
  ])('no alert: %s', (line) => {
    expect(alertOfLogLine(line)).toBeUndefined();
  });
});

describe('followFile', () => {
  let folder: string;
  let file: string;
  let stop: AbortController;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'fieldwatch-follow-'));
    file = join(folder, 'alerts.log');
    stop = new AbortController();
  });
  let followed: AsyncGenerator<string>[];
  beforeEach(() => void (followed = []));
  afterEach(async () => {
    stop.abort();
    // What is not read to its end holds its file open.
    for (const lines of followed) await lines.return(undefined);
    rmSync(folder, { recursive: true, force: true });
  });

  const follow = (lines: number, follow_ = true) => {
    const opened = followFile(file, { lines, follow: follow_, signal: stop.signal, pollMs: 5 });
    followed.push(opened);
    return opened;
  };
  const take = async (lines: AsyncGenerator<string>, count: number): Promise<string[]> => {
    const taken: string[] = [];
    while (taken.length < count) {
      const next = await lines.next();
      if (next.done === true) break;
      taken.push(next.value);
    }
    return taken;
  };

  test('the last lines, and an end', async () => {
    writeFileSync(file, 'a\nb\nc\nhalf');
    expect(await take(follow(2, false), 9)).toEqual(['b', 'c']);
    expect(await take(follow(0, false), 9)).toEqual([]);
  });

  test('a file that is not there', async () => {
    await expect(take(follow(1, false), 1)).rejects.toMatchObject({ code: 'LOG_NOT_FOUND' });
    const lines = take(follow(1), 1);
    writeFileSync(file, 'first\n');
    expect(await lines).toEqual(['first']);
  });

  test('lines that are written in pieces, characters too', async () => {
    writeFileSync(file, 'a\n');
    const lines = follow(1);
    expect(await take(lines, 1)).toEqual(['a']);
    const bytes = Buffer.from('°C\nnext\n');
    appendFileSync(file, bytes.subarray(0, 1));
    const rest = take(lines, 2);
    appendFileSync(file, bytes.subarray(1));
    expect(await rest).toEqual(['°C', 'next']);
  });

  test('rotation by renaming: the rest of the old file, then the whole new one', async () => {
    writeFileSync(file, 'a\n');
    const lines = follow(1);
    expect(await take(lines, 1)).toEqual(['a']);
    appendFileSync(file, 'b\n');
    renameSync(file, `${file}.1`);
    writeFileSync(file, 'c\nd\n');
    expect(await take(lines, 3)).toEqual(['b', 'c', 'd']);
  });

  test('rotation by truncation', async () => {
    writeFileSync(file, 'a long line\n');
    const lines = follow(1);
    expect(await take(lines, 1)).toEqual(['a long line']);
    truncateSync(file);
    appendFileSync(file, 'b\n');
    expect(await take(lines, 1)).toEqual(['b']);
  });
});
