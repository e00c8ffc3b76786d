import { useEffect, useState } from 'preact/hooks';
import type { Alert, AlertList } from '../../api/contract/alerts.ts';
import type { EventData } from '../../api/contract/events.ts';
import type { Silence, SilenceList } from '../../api/contract/silences.ts';
import type { SensorFacets } from '../../api/contract/sensors.ts';
import { ReadOnlyNote, useCanWrite } from '../components/account.tsx';
import { AlertActions } from '../components/alert-actions.tsx';
import { AlertMarks, AlertMessage, AlertSubject } from '../components/alert-parts.tsx';
import { AlertRows } from '../components/alert-rows.tsx';
import { Badge, SeverityBadge } from '../components/badge.tsx';
import { Card } from '../components/card.tsx';
import { Empty, Loading, ProblemNotice } from '../components/notice.tsx';
import { Segmented } from '../components/segmented.tsx';
import { Select } from '../components/select.tsx';
import { SilenceDialog } from '../components/silence-dialog.tsx';
import { TableHead } from '../components/table-head.tsx';
import { Foreign, Name } from '../components/text.tsx';
import { Ago, At, Lasting } from '../components/time.tsx';
import { usePage } from '../context.ts';
import { useNarrow, useResource } from '../hooks.ts';
import { asProblem } from '../rest/client.ts';
import type { Query } from '../rest/client.ts';
import type { Route } from '../router.ts';

const TABS = [
  { key: 'open', label: 'Open' },
  { key: 'history', label: 'History' },
  { key: 'silences', label: 'Silences' },
] as const;

const SEVERITIES = ['critical', 'warning', 'info'] as const;
const SPANS = [
  { key: '24h', label: 'Last 24 hours' },
  { key: '7d', label: 'Last 7 days' },
  { key: '30d', label: 'Last 30 days' },
  { key: '365d', label: 'Last year' },
] as const;

export function AlertsView({ query }: { readonly query: Route['query'] }) {
  const { navigation } = usePage();
  const tab = TABS.find(({ key }) => key === query['tab'])?.key ?? 'open';
  return (
    <div class="view">
      <div class="view-head">
        <h1>Alerts</h1>
        <Segmented
          legend="Which alerts"
          choices={TABS}
          value={tab}
          onChange={(key) => navigation.change({ tab: key === 'open' ? undefined : key })}
        />
      </div>
      {tab === 'silences' ? (
        <Silences />
      ) : (
        <>
          <Filters query={query} history={tab === 'history'} />
          {tab === 'open' ? <OpenAlerts query={query} /> : <History query={query} />}
        </>
      )}
    </div>
  );
}

function Filters({ query, history }: { readonly query: Route['query']; readonly history: boolean }) {
  const { navigation } = usePage();
  const { data } = useResource<SensorFacets>('sensors/facets');
  return (
    <div class="filters">
      <Select
        label="Severity"
        any="Every severity"
        options={SEVERITIES}
        value={query['severity']}
        onChange={(severity) => navigation.change({ severity })}
      />
      <Select
        label="Location"
        any="Every location"
        options={data?.locations ?? []}
        value={query['location']}
        onChange={(location) => navigation.change({ location })}
      />
      <Select
        label="Type of sensor"
        any="Every type"
        options={data?.types ?? []}
        value={query['type']}
        onChange={(type) => navigation.change({ type })}
      />
      {history ? (
        <div class="field">
          <label for="span">Time</label>
          <select
            id="span"
            class="select"
            value={query['span'] ?? '7d'}
            onChange={(event) => navigation.change({ span: event.currentTarget.value })}
          >
            {SPANS.map(({ key, label }) => (
              <option key={key} value={key}>
                {label}
              </option>
            ))}
          </select>
        </div>
      ) : null}
    </div>
  );
}

const filtersOf = (query: Route['query']): Query => ({
  severity: query['severity'],
  location: query['location'],
  type: query['type'],
});

function OpenAlerts({ query }: { readonly query: Route['query'] }) {
  const filters = filtersOf(query);
  const open = useResource<AlertList>(
    'alerts',
    { state: 'open', limit: 500, ...filters },
    { on: ['alert'], everyS: 30 },
  );
  const pending = useResource<AlertList>(
    'alerts',
    { state: 'pending', limit: 100, ...filters },
    { on: ['alert'], everyS: 30 },
  );
  const changed = (): void => {
    open.reload();
    pending.reload();
  };
  return (
    <div class="columns wide-left">
      <div class="stack">
        <Card title="Firing" note="The newest first" flush>
          {open.problem === undefined ? null : (
            <div class="card-body">
              <ProblemNotice problem={open.problem} onRetry={open.reload} />
            </div>
          )}
          {open.data === undefined ? (
            open.problem === undefined ? (
              <Loading what="alerts" />
            ) : null
          ) : open.data.items.length === 0 ? (
            <Empty title="Nothing is firing.">Every value that has a limit is inside it.</Empty>
          ) : (
            <AlertItems items={open.data.items} onDone={changed} name="open" />
          )}
          {open.data?.next ? (
            <p class="card-foot soft">
              These are the newest {open.data.items.length}; the filters show others.
            </p>
          ) : null}
          <div class="card-foot">
            <ReadOnlyNote what="To acknowledge, silence or resolve" />
          </div>
        </Card>
        {pending.data === undefined || pending.data.items.length === 0 ? null : (
          <Card
            title="Pending"
            note="Beyond a limit, but not yet for as long as the rule demands; nothing is notified yet"
            flush
          >
            <AlertItems items={pending.data.items} onDone={changed} name="pending" />
          </Card>
        )}
      </div>
      <Feed />
    </div>
  );
}

const AlertItems = ({
  items,
  onDone,
  name,
}: {
  readonly items: readonly Alert[];
  readonly onDone: () => void;
  readonly name: string;
}) => (
  <AlertRows
    items={items}
    name={name}
    foot={(alert) => (
      <span class="alert-line between">
        <AlertMarks alert={alert} />
        <AlertActions alert={alert} onDone={onDone} />
      </span>
    )}
  />
);

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

/** What happens while somebody looks. */
function Feed() {
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

/** Episodes of the past, page by page. */
function History({ query }: { readonly query: Route['query'] }) {
  const { daemon } = usePage();
  const parameters = { state: 'all', from: query['span'] ?? '7d', limit: 100, ...filtersOf(query) };
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
      <TableHead columns={['Severity', 'Sensor', 'What', 'Began', 'Lasted', 'State']} />
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
            </td>
            <td data-label="Began" class="nowrap">
              <At at={alert.startedAt ?? alert.time} />
            </td>
            <td data-label="Lasted" class="nowrap">
              <Lasting from={alert.startedAt ?? alert.time} to={alert.resolvedAt} />
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

function Silences() {
  const canWrite = useCanWrite();
  const [adding, setAdding] = useState(false);
  const [all, setAll] = useState(false);
  const { data, problem, reload } = useResource<SilenceList>('silences', { all, limit: 500 }, { everyS: 30 });
  return (
    <Card
      title="Silences"
      note="What they match is raised and stored, but not notified"
      side={
        canWrite ? (
          <button type="button" class="button small" onClick={() => setAdding(true)}>
            New silence
          </button>
        ) : undefined
      }
      flush
    >
      <div class="card-body">
        <label class="check">
          <input type="checkbox" checked={all} onChange={(event) => setAll(event.currentTarget.checked)} />
          <span>Also those that are over (kept for 90 days)</span>
        </label>
        {problem === undefined ? null : <ProblemNotice problem={problem} onRetry={reload} />}
      </div>
      {data === undefined ? (
        problem === undefined ? (
          <Loading what="silences" />
        ) : null
      ) : data.items.length === 0 ? (
        <Empty title="Nothing is silenced.">Every alert is notified as its rule says.</Empty>
      ) : (
        <table class="table stacking" data-list="silences">
          <TableHead
            columns={['State', 'Matches', 'Reason', 'By', 'From', 'Until', { label: 'Action', unseen: true }]}
          />
          <tbody>
            {data.items.map((silence) => (
              <SilenceRow key={silence.id} silence={silence} onDone={reload} canWrite={canWrite} />
            ))}
          </tbody>
        </table>
      )}
      <div class="card-foot">
        <ReadOnlyNote what="To silence" />
      </div>
      {adding ? <SilenceDialog matchers={{}} onClose={() => setAdding(false)} onDone={reload} /> : null}
    </Card>
  );
}

const SILENCE_STATES = {
  active: ['info', 'silent', 'Active'],
  waiting: ['neutral', 'pending', 'Not begun'],
  over: ['neutral', 'ok', 'Over'],
} as const;

function SilenceRow({
  silence,
  onDone,
  canWrite,
}: {
  readonly silence: Silence;
  readonly onDone: () => void;
  readonly canWrite: boolean;
}) {
  const { daemon, toasts } = usePage();
  const [tone, icon, word] = SILENCE_STATES[silence.state];
  const end = async (): Promise<void> => {
    try {
      await daemon.client.delete(`silences/${silence.id}`);
      toasts.show('ok', 'The silence is over.');
      onDone();
    } catch (error) {
      toasts.show('critical', asProblem(error).message);
    }
  };
  return (
    <tr>
      <td data-label="State">
        <Badge tone={tone} icon={icon}>
          {word}
        </Badge>
      </td>
      <td data-label="Matches" class="break">
        {Object.entries(silence.matchers).map(([label, pattern]) => (
          <div key={label}>
            <span class="soft">{label}:</span> <Name text={pattern} />
          </div>
        ))}
      </td>
      <td data-label="Reason" class="break">
        {silence.comment === '' ? <span class="soft">none given</span> : <Foreign text={silence.comment} />}
      </td>
      <td data-label="By" class="break">
        <Name text={silence.by} />
        {silence.expiredBy === null ? null : (
          <span class="soft small">
            , ended by <Name text={silence.expiredBy} />
          </span>
        )}
      </td>
      <td data-label="From" class="nowrap">
        <At at={silence.startsAt} />
      </td>
      <td data-label="Until" class="nowrap">
        <At at={silence.endsAt} />{' '}
        <span class="soft small">
          (<Ago at={silence.endsAt} />)
        </span>
      </td>
      <td data-label="">
        {canWrite && silence.state !== 'over' ? (
          <button type="button" class="button small" onClick={() => void end()}>
            End now
          </button>
        ) : null}
      </td>
    </tr>
  );
}
