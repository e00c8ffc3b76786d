import { useEffect, useReducer, useRef, useState } from 'preact/hooks';
import type { EventData } from '../../api/contract/events.ts';
import type { SensorFacets, SensorItem, SensorList } from '../../api/contract/sensors.ts';
import { SensorStateBadge } from '../components/badge.tsx';
import { Empty, ProblemNotice } from '../components/notice.tsx';
import { Select } from '../components/select.tsx';
import { SensorName } from '../components/sensor-name.tsx';
import { Sparkline } from '../components/sparkline.tsx';
import { TableHead } from '../components/table-head.tsx';
import { Name } from '../components/text.tsx';
import { Ago } from '../components/time.tsx';
import { VirtualRows } from '../components/virtual-rows.tsx';
import { usePage } from '../context.ts';
import { counted, formatValue } from '../format/number.ts';
import { metricName } from '../format/unit.ts';
import { useNarrow, useResource, useSettled, useStore } from '../hooks.ts';
import type { Parameters } from '../navigation.ts';
import type { Query } from '../rest/client.ts';
import type { ApiProblem } from '../rest/problem.ts';
import type { Route } from '../router.ts';
import { ListReader, type Loaded, itemsOf } from './sensors/list-reader.ts';
import { NotLoaded } from '../components/loaded.tsx';

const STATES = ['alert', 'silent', 'ok', 'never', 'retired'] as const;
const STATE_WORDS = {
  alert: 'Alert',
  silent: 'Silent',
  ok: 'All is well',
  never: 'Never sent',
  retired: 'Retired',
} as const;

export function SensorsView({ query }: { readonly query: Route['query'] }) {
  const { navigation } = usePage();
  const { data: facets } = useResource<SensorFacets>('sensors/facets', {}, { on: ['alert'], everyS: 60 });
  const [search, setSearch] = useState(query['search'] ?? '');
  const settled = useSettled(search.trim(), 250);
  const change = (parameters: Parameters): void => navigation.change(parameters);
  useEffect(() => change({ search: settled }), [settled]);
  const asked = query['search'] ?? '';
  // A link to this view, or the way back, asks for something else than what is typed.
  useEffect(() => {
    if (asked !== settled) setSearch(asked);
  }, [asked]);
  return (
    <div class="view">
      <h1>Sensors</h1>
      <div class="filters">
        <div class="field wide">
          <label for="search">Search</label>
          <input
            id="search"
            type="search"
            class="input"
            placeholder="Name, key, location or type"
            value={search}
            maxLength={200}
            autocomplete="off"
            spellcheck={false}
            onInput={(event) => setSearch(event.currentTarget.value)}
          />
        </div>
        <div class="field">
          <label for="state">State</label>
          <select
            id="state"
            class="select"
            value={query['state'] ?? ''}
            onChange={(event) => change({ state: event.currentTarget.value })}
          >
            <option value="">Every state</option>
            {STATES.map((state) => (
              <option key={state} value={state}>
                {STATE_WORDS[state]}
                {facets === undefined ? '' : ` (${facets.states[state]})`}
              </option>
            ))}
          </select>
        </div>
        <Select
          label="Location"
          any="Every location"
          options={facets?.locations ?? []}
          value={query['location']}
          onChange={(location) => change({ location })}
        />
        <Select
          label="Type"
          any="Every type"
          options={facets?.types ?? []}
          value={query['type']}
          onChange={(type) => change({ type })}
        />
        {facets !== undefined && facets.tags.length === 0 && query['tag'] === undefined ? null : (
          <Select
            label="Tag"
            any="Every tag"
            options={facets?.tags ?? []}
            value={query['tag']}
            onChange={(tag) => change({ tag })}
          />
        )}
        <div class="field">
          <label for="sort">Order</label>
          <select
            id="sort"
            class="select"
            value={query['sort'] ?? 'key'}
            onChange={(event) =>
              change({ sort: event.currentTarget.value === 'key' ? undefined : event.currentTarget.value })
            }
          >
            <option value="key">By key</option>
            <option value="lastSeen">Heard last first</option>
          </select>
        </div>
      </div>
      <SensorTable query={query} />
    </div>
  );
}

const PAGE = 200;

const REFRESH_MS = 10_000;

/** All sensors that the filters let through, read page by page as the reader scrolls; what is seen is read again. */
function useSensors(query: Route['query']) {
  const { daemon, kept } = usePage();
  const parameters: Query = {
    search: query['search'],
    state: query['state'],
    location: query['location'],
    type: query['type'],
    tag: query['tag'],
    sort: query['sort'],
    spark: true,
    limit: PAGE,
  };
  const address = daemon.client.urlOf('sensors', parameters);
  const epoch = useStore(daemon.epoch);
  const [{ loaded, problem }, setState] = useState<{
    loaded?: Loaded | undefined;
    problem?: ApiProblem | undefined;
  }>(() => {
    const before = kept.get('sensors') as Loaded | undefined;
    return { loaded: before?.address === address ? before : undefined };
  });
  const seen = useRef(0);
  const [reader] = useState(
    () =>
      new ListReader(
        {
          get: (asked, signal) => daemon.client.get<SensorList>('sensors', asked, signal),
          onChange: (read, fault) => {
            kept.set('sensors', read);
            setState({ loaded: read, problem: fault });
          },
        },
        loaded,
      ),
  );
  useEffect(() => {
    if (epoch > 0) reader.open(address, parameters, seen.current);
    return () => reader.stop();
  }, [address, epoch]);
  useEffect(() => {
    const timer = setInterval(() => {
      if (!document.hidden && daemon.link.value.state === 'live') reader.refresh(seen.current);
    }, REFRESH_MS);
    return () => clearInterval(timer);
  }, []);
  return {
    loaded,
    problem,
    again: () => reader.again(),
    sees: (index: number) => {
      seen.current = index;
    },
    more: () => reader.more(),
  };
}

/** Events since the list was read, by sensor; drawn twice a second at most. */
function useNews(): ReadonlyMap<string, EventData<'sensor'>> {
  const { daemon } = usePage();
  const news = useRef(new Map<string, EventData<'sensor'>>());
  const [, draw] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const end = daemon.bus.on('sensor', (event) => {
      const before = news.current.get(event.key);
      news.current.set(event.key, before === undefined ? event : merged(before, event));
      timer ??= setTimeout(() => {
        timer = undefined;
        draw(undefined);
      }, 500);
    });
    return () => {
      clearTimeout(timer);
      end();
    };
  }, []);
  return news.current;
}

const merged = (before: EventData<'sensor'>, now: EventData<'sensor'>): EventData<'sensor'> => ({
  key: now.key,
  state: now.state ?? before.state,
  lastSeen: now.lastSeen ?? before.lastSeen,
  latest: withLatest(before.latest, now.latest),
});

export function withLatest(before: SensorItem['latest'], now: SensorItem['latest']): SensorItem['latest'] {
  const fresh = new Map(now.map((one) => [one.metric, one]));
  const kept = before.map((one) => {
    const newer = fresh.get(one.metric);
    fresh.delete(one.metric);
    return newer !== undefined && newer.time >= one.time ? { ...newer, unit: newer.unit ?? one.unit } : one;
  });
  return [...kept, ...fresh.values()];
}

const COLUMNS = 5;
const WIDE = 46;
const NARROW = 92;

function SensorTable({ query }: { readonly query: Route['query'] }) {
  const { kept } = usePage();
  const { loaded, problem, again, more, sees } = useSensors(query);
  const news = useNews();
  const narrow = useNarrow();
  // Coming back from a sensor leads to the same place of the list.
  useEffect(() => {
    const place = kept.get('sensors-place');
    if (typeof place === 'number' && loaded !== undefined) scrollTo(0, place);
    const keep = (): void => void kept.set('sensors-place', scrollY);
    addEventListener('scroll', keep, { passive: true });
    return () => removeEventListener('scroll', keep);
  }, []);
  if (loaded === undefined) return <NotLoaded what="sensors" problem={problem} onRetry={again} />;
  const { total } = loaded;
  const items = itemsOf(loaded);
  return (
    <>
      {problem === undefined ? null : <ProblemNotice problem={problem} onRetry={again} />}
      <p class="soft small" role="status">
        {counted(total, 'sensor')}
        {query['search'] || query['state'] || query['location'] || query['type'] || query['tag']
          ? ' found'
          : ''}
      </p>
      {total === 0 ? (
        <div class="card">
          <Empty title="No sensors.">
            {query['search'] || query['state'] || query['location']
              ? 'Other filters may find some.'
              : 'A sensor appears here with its first reading.'}
          </Empty>
        </div>
      ) : (
        <div class="card">
          <table class="table sensors" aria-rowcount={total + 1} data-list="sensors">
            <TableHead columns={['Sensor', 'State', 'Newest values', 'Last day', 'Heard']} />
            <VirtualRows
              count={items.length}
              rowHeight={narrow ? NARROW : WIDE}
              columns={COLUMNS}
              onEnd={more}
              onFirst={sees}
            >
              {(index) => (
                <SensorRow
                  key={items[index]!.key}
                  index={index}
                  sensor={items[index]!}
                  news={news.get(items[index]!.key)}
                />
              )}
            </VirtualRows>
          </table>
        </div>
      )}
    </>
  );
}

const SHOWN_VALUES = 5;

function SensorRow({
  index,
  sensor,
  news,
}: {
  readonly index: number;
  readonly sensor: SensorItem;
  readonly news: EventData<'sensor'> | undefined;
}) {
  const latest = news === undefined ? sensor.latest : withLatest(sensor.latest, news.latest);
  const lastSeen = news?.lastSeen ?? sensor.lastSeen;
  return (
    <tr aria-rowindex={index + 2} data-sensor={sensor.key}>
      <td class="cell-name">
        <SensorName sensor={sensor.key} name={sensor.name} location={sensor.location} />
      </td>
      <td class="cell-state">
        <SensorStateBadge state={news?.state ?? sensor.state} />
      </td>
      <td class="cell-values">
        {latest.slice(0, SHOWN_VALUES).map((one) => {
          const { number, unit } = formatValue(one.value, { metric: one.metric, unit: one.unit });
          return (
            <span class="value" key={one.metric} title={metricName(one.metric)}>
              <span class="unseen">{metricName(one.metric)} </span>
              {unit === '' ? (
                <span class="soft">
                  <Name text={metricName(one.metric)} most={20} />{' '}
                </span>
              ) : null}
              {number} <span class="soft">{unit}</span>
            </span>
          );
        })}
        {latest.length > SHOWN_VALUES ? <span class="soft">+{latest.length - SHOWN_VALUES}</span> : null}
      </td>
      <td class="cell-spark" title={sensor.spark === undefined ? undefined : metricName(sensor.spark.metric)}>
        {sensor.spark === undefined ? null : <Sparkline values={sensor.spark.values} />}
      </td>
      <td class="cell-seen soft">{lastSeen === null ? 'never' : <Ago at={lastSeen} />}</td>
    </tr>
  );
}
