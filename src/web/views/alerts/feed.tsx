import { useEffect, useState } from 'preact/hooks';
import type { EventData } from '../../../api/contract/events.ts';
import { AlertMessage, AlertSubject } from '../../components/alert-parts.tsx';
import { SeverityBadge } from '../../components/badge.tsx';
import { Card } from '../../components/card.tsx';
import { Empty } from '../../components/notice.tsx';
import { At } from '../../components/time.tsx';
import { usePage } from '../../context.ts';

const EVENTS: Readonly<Record<EventData<'alert'>['event'], string>> = {
  pending: 'Beyond its limit',
  firing: 'Began',
  escalated: 'Got worse',
  deescalated: 'Got better',
  resolved: 'Over',
  reminder: 'Still there',
  flapping_start: 'Began to flap',
  flapping_end: 'Flaps no more',
  acked: 'Acknowledged',
  cleared: 'Back before it fired',
};

const KEPT = 40;

interface FeedItem extends EventData<'alert'> {
  readonly id: number;
  readonly at: string;
}

/** Alerts as they change, while the view is open. */
export function Feed() {
  const { daemon, kept } = usePage();
  const [items, setItems] = useState<readonly FeedItem[]>((kept.get('feed') as readonly FeedItem[]) ?? []);
  useEffect(
    () =>
      daemon.bus.on('alert', (event) =>
        setItems((before) => {
          const id = (before[0]?.id ?? 0) + 1;
          const next = [{ ...event, id, at: new Date(daemon.nowMs()).toISOString() }, ...before].slice(
            0,
            KEPT,
          );
          kept.set('feed', next);
          return next;
        }),
      ),
    [],
  );
  return (
    <Card title="As it happens" note="Since you opened this view" flush>
      {items.length === 0 ? (
        <Empty title="Nothing has happened yet.">What begins, changes or ends appears here by itself.</Empty>
      ) : (
        <ol class="feed" data-list="feed" aria-live="polite" aria-relevant="additions">
          {items.map(({ id, at, event, alert }) => (
            <li key={id}>
              <span class="alert-line">
                <SeverityBadge severity={alert.severity} />
                <b>{EVENTS[event]}</b>
                <span class="soft small">
                  <At at={at} />
                </span>
              </span>
              <span class="break">
                <AlertSubject alert={alert} />: <AlertMessage alert={alert} />
              </span>
            </li>
          ))}
        </ol>
      )}
    </Card>
  );
}
