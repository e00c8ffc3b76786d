import { describe, expect, test } from '@jest/globals';
import fc from '../../support/fast-check.ts';
import { applyCommand } from '../../../src/core/alert/engine/commands.ts';
import type { Severity } from '../../../src/core/alert/model.ts';
import { statusOf } from '../../../src/core/notify/delivery.ts';
import { wanted } from '../../../src/core/notify/filter.ts';
import { alertId } from '../../../src/services/alert/alert-id.ts';
import { rule, silences, suppressing, timedRules, timeline } from './arbitraries.ts';
import { Bench, type Given, T0_MS, rulesOf } from './support.ts';

/** Readings in the order of their arrival, with looks at the clock in between, under silences. */
function ran(
  bench: Bench,
  all: readonly Given[],
  muted: Parameters<Bench['engine']['silence']>[0] = [],
): Bench {
  bench.engine.silence(muted, T0_MS);
  bench.engine.connected(T0_MS);
  for (const each of all) bench.tick(each.rx ?? each.at).send(each);
  return bench.tick(10_000);
}

/** The notifications of a sink: ends and de-escalations are sent only if the firing was. */
function sinkOf(bench: Bench, minSeverity: Severity) {
  const filter = { minSeverity, alertTypes: [], locations: [], sendResolved: true };
  const notified = new Set<string>();
  const ended = new Set<string>();
  for (const notification of bench.notifications) {
    const want = wanted(filter, notification, null);
    const { alertId: id } = notification;
    if (want === 'no' || (want === 'if_notified' && !notified.has(id))) continue;
    // Nothing of an episode comes after its end, and no second end.
    expect(ended).not.toContain(id);
    notified.add(id);
    if (statusOf(notification) === 'resolved') ended.add(id);
  }
  return { notified, ended };
}

describe('over random timelines, silences, windows and inhibition', () => {
  const muted = fc.tuple(rule, suppressing, silences, timeline);

  test.each(['info', 'warning', 'critical'] as const)(
    'a sink from %s on gets one end of each notified episode that is over',
    (minSeverity) => {
      fc.assert(
        fc.property(muted, ([fields, suppress, quiet, all]) => {
          const bench = new Bench(rulesOf({ ...suppress, metrics: { temperature: { max: 30, ...fields } } }));
          const { notified, ended } = sinkOf(ran(bench, all, quiet), minSeverity);
          const open = new Set(
            bench.table.filter((row) => row.resolvedAtUs === undefined).map((row) => row.alertId),
          );
          for (const id of notified) expect(ended.has(id)).toBe(!open.has(id));
        }),
      );
    },
  );

  test('a fall to a lower severity is notified each time', () => {
    fc.assert(
      fc.property(timedRules, timeline, (rules, all) => {
        const bench = ran(new Bench(rules), all);
        const falls = bench.notifications.filter(({ event }) => event === 'deescalated');
        expect(falls).toHaveLength(bench.trace.filter((each) => /^D@/.test(each)).length);
      }),
    );
  });

  test('no row ends before it began', () => {
    fc.assert(
      fc.property(timedRules, silences, timeline, (rules, quiet, all) => {
        const bench = ran(new Bench(rules), all, quiet);
        for (const { timeUs, resolvedAtUs } of bench.table)
          expect(resolvedAtUs ?? Infinity).toBeGreaterThanOrEqual(timeUs);
      }),
    );
  });

  test('closed by hand, it fires again only after a value that is not in breach', () => {
    fc.assert(
      fc.property(rule, timeline, fc.nat(), (fields, all, cut) => {
        const bench = new Bench(rulesOf({ metrics: { temperature: { max: 30, ...fields } } }));
        const at = all.length === 0 ? 0 : cut % all.length;
        ran(bench, all.slice(0, at));
        const own = all.slice(0, at).filter(({ sensor }) => sensor?.id === 1);
        const last = own.reduce<Given | undefined>(
          (a, b) => (a === undefined || b.at > a.at ? b : a),
          undefined,
        );
        fc.pre(Number(last?.value ?? 0) > 30);
        const nowMs = T0_MS + 10_000_000;
        bench.engine.begin();
        const command = { kind: 'resolve', sensorId: 1, alertType: 'temperature_high', alertId: undefined, by: 'ann' } as const; // prettier-ignore
        const outcome = applyCommand(bench.engine, command, nowMs, alertId);
        bench.finish();
        fc.pre(outcome === 'done');
        const before = bench.notifications.length;
        // After what was looked at before the command.
        const later = all.map((each) => ({
          ...each,
          at: each.at + 10_000,
          rx: (each.rx ?? each.at) + 10_000,
        }));
        for (const each of later) {
          if (each.sensor?.id === 1 && (each.value as number) <= 30) return;
          bench.tick(each.rx).send(each);
          const since = bench.notifications.slice(before);
          expect(
            since.filter(({ sensorId, alertType }) => sensorId === 1 && alertType === 'temperature_high'),
          ).toEqual([]);
        }
      }),
    );
  });
});
