import type { SensorFacets } from '../../api/contract/sensors.ts';
import { Segmented } from '../components/segmented.tsx';
import { Select } from '../components/select.tsx';
import { Name } from '../components/text.tsx';
import { usePage } from '../context.ts';
import { useResource } from '../hooks.ts';
import type { Query } from '../rest/client.ts';
import type { Route } from '../router.ts';
import { History } from './alerts/history.tsx';
import { OpenAlerts } from './alerts/open-alerts.tsx';
import { Silences } from './alerts/silences.tsx';

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

const DEFAULT_SPAN = '7d';

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
          {tab === 'open' ? (
            <OpenAlerts filters={filtersOf(query)} />
          ) : (
            <History filters={filtersOf(query)} span={query['span'] ?? DEFAULT_SPAN} />
          )}
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
            value={query['span'] ?? DEFAULT_SPAN}
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
      {query['sensor'] === undefined ? null : (
        <div class="field">
          <span class="label">Sensor</span>
          <button
            type="button"
            class="button"
            title="Shows those of every sensor"
            onClick={() => navigation.change({ sensor: undefined })}
          >
            <Name text={query['sensor']} most={30} /> ✕
          </button>
        </div>
      )}
    </div>
  );
}

const filtersOf = (query: Route['query']): Query => ({
  sensor: query['sensor'],
  severity: query['severity'],
  location: query['location'],
  type: query['type'],
});
