import { useEffect, useState } from 'preact/hooks';
import type { Alert, AlertList } from '../../../api/contract/alerts.ts';
import {
  AlertFigures,
  AlertMarks,
  AlertMessage,
  AlertSubject,
  since,
} from '../../components/alert-parts.tsx';
import { AlertRows } from '../../components/alert-rows.tsx';
import { SeverityBadge } from '../../components/badge.tsx';
import { Card } from '../../components/card.tsx';
import { Empty, Loading, ProblemNotice } from '../../components/notice.tsx';
import { TableHead } from '../../components/table-head.tsx';
import { Period } from '../../components/time.tsx';
import { usePage } from '../../context.ts';
import { useNarrow, useResource } from '../../hooks.ts';
import type { Query } from '../../rest/client.ts';

/** Episodes of the past, page by page. */
export function History({ filters, span }: { readonly filters: Query; readonly span: string }) {
  const { daemon } = usePage();
  const parameters = { state: 'all', from: span, limit: 100, ...filters };
  const { data, problem, reload } = useResource<AlertList>('alerts', parameters, { on: ['alert'] });
  const [more, setMore] = useState<AlertList>({ items: [], next: null });
  const [busy, setBusy] = useState(false);
  const address = daemon.client.urlOf('alerts', parameters);
  useEffect(() => setMore({ items: [], next: null }), [address]);
  const next = more.items.length === 0 ? data?.next : more.next;
  const load = async (): Promise<void> => {
    setBusy(true);
    try {
      const page = await daemon.client.get<AlertList>('alerts', { ...parameters, cursor: next ?? undefined });
      setMore((before) => ({ items: [...before.items, ...page.items], next: page.next }));
    } finally {
      setBusy(false);
    }
  };
  if (problem !== undefined && data === undefined)
    return <ProblemNotice problem={problem} onRetry={reload} />;
  if (data === undefined) return <Loading what="the history" />;
  // Pages that were read later may repeat what has moved meanwhile.
  const seen = new Set<string>();
  const items = [...data.items, ...more.items].filter((alert) => {
    const key = `${alert.alertId ?? ''} ${alert.sensor} ${alert.alertType} ${alert.time}`;
    return !seen.has(key) && seen.add(key);
  });
  return (
    <Card title="History" note="One row per alert, from its beginning to its end" flush>
      {items.length === 0 ? (
        <Empty title="No alerts in this time.">Choose a longer time, or fewer filters.</Empty>
      ) : (
        <HistoryRows items={items} />
      )}
      {next ? (
        <p class="card-foot">
          <button type="button" class="button small" disabled={busy} onClick={() => void load()}>
            {busy ? 'One moment …' : 'Earlier ones'}
          </button>
        </p>
      ) : null}
    </Card>
  );
}

function HistoryRows({ items }: { readonly items: readonly Alert[] }) {
  // A table whose cells are stacked has six lines for each alert: three are enough on a phone.
  if (useNarrow())
    return <AlertRows items={items} name="history" foot={(alert) => <AlertMarks alert={alert} />} />;
  return (
    <table class="table stacking" data-list="history">
      <TableHead columns={['Severity', 'Sensor', 'What', 'When', 'State']} />
      <tbody>
        {items.map((alert) => (
          <tr key={`${alert.alertId ?? alert.sensor} ${alert.alertType} ${alert.time}`}>
            <td data-label="Severity">
              <SeverityBadge severity={alert.severity} />
            </td>
            <td data-label="Sensor" class="break">
              <AlertSubject alert={alert} />
            </td>
            <td data-label="What" class="break">
              <AlertMessage alert={alert} />
              <AlertFigures alert={alert} />
            </td>
            <td data-label="When">
              <Period from={since(alert)} to={alert.resolvedAt} />
            </td>
            <td data-label="State">
              <AlertMarks alert={alert} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
