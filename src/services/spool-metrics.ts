import { SPOOL_LANES, type Clock, type Metrics, type Spool } from '../ports.ts';
import type { SpoolTrouble } from './spooling.ts';

/** What lies in the spool, read at each scrape. */
export function exportSpool(
  metrics: Metrics,
  clock: Clock,
  spool: Spool,
  state: { readonly active: boolean; readonly trouble: SpoolTrouble | undefined },
): void {
  const items = metrics.gauge('fieldwatch_spool_items', 'Readings and dead letters in the spool', ['lane']);
  const bytes = metrics.gauge('fieldwatch_spool_bytes', 'Bytes of the records in the spool');
  const age = metrics.gauge(
    'fieldwatch_spool_oldest_age_seconds',
    'Age of the oldest record; 0 if there is none',
  );
  const parked = metrics.gauge(
    'fieldwatch_spool_parked_records',
    'Records set aside after an error without a rule; tried again at the next start',
  );
  const damaged = metrics.gauge(
    'fieldwatch_spool_damaged_records',
    'Damaged records since start, kept aside',
  );
  const lost = metrics.gauge(
    'fieldwatch_spool_lost_items',
    'Readings and dead letters lost since start with damaged files of the spool',
  );
  const active = metrics.gauge('fieldwatch_spool_active', '1 while batches go to the spool');
  const full = metrics.gauge('fieldwatch_spool_full', '1 while the spool takes no more');
  metrics.onCollect(() => {
    const { lanes, parked: aside, damaged: bad, lostItems, oldestAtMs } = spool.contents;
    let sum = aside.bytes;
    for (const lane of SPOOL_LANES) {
      items.set(lanes[lane].items, { lane });
      sum += lanes[lane].bytes;
    }
    items.set(aside.items, { lane: 'parked' });
    bytes.set(sum);
    age.set(oldestAtMs === undefined ? 0 : Math.max(0, clock.nowMs() - oldestAtMs) / 1000);
    parked.set(aside.records);
    damaged.set(bad.records);
    lost.set(lostItems);
    active.set(state.active ? 1 : 0);
    full.set(state.trouble === undefined ? 0 : 1);
  });
}
