import { useEffect, useState } from 'preact/hooks';
import type { Sensor } from '../../api/contract/sensors.ts';
import { useCanWrite } from '../components/account.tsx';
import { SensorStateBadge } from '../components/badge.tsx';
import { Card, Figure } from '../components/card.tsx';
import { Link } from '../components/link.tsx';
import { Empty, Notice } from '../components/notice.tsx';
import { patternOf } from '../components/pattern.ts';
import { SilenceDialog } from '../components/silence-dialog.tsx';
import { Foreign, Name } from '../components/text.tsx';
import { Ago, At } from '../components/time.tsx';
import { usePage } from '../context.ts';
import { formatValue } from '../format/number.ts';
import { metricName, unitMeaning } from '../format/unit.ts';
import { visible } from '../format/visible.ts';
import { useResource } from '../hooks.ts';
import { namesOfText, type Route, textOfNames } from '../router.ts';
import { ForgetDialog } from './sensor/forget-dialog.tsx';
import { Limits } from './sensor/limits.tsx';
import { OwnAlerts, RecentAlerts, useResolved } from './sensor/own-alerts.tsx';
import { Plots } from './sensor/plots.tsx';
import { sensorPath } from '../rest/client.ts';
import { withLatest } from './sensors.tsx';
import { NotLoaded } from '../components/loaded.tsx';

export function SensorView({ query }: { readonly query: Route['query'] }) {
  const key = query['key'];
  return key === undefined ? (
    <Empty title="Which sensor?">
      <Link view="sensors">Sensors</Link>
    </Empty>
  ) : (
    <OneSensor key={key} sensorKey={key} query={query} />
  );
}

function OneSensor({ sensorKey, query }: { readonly sensorKey: string; readonly query: Route['query'] }) {
  const { daemon } = usePage();
  useEffect(() => daemon.watch(sensorKey), [sensorKey]);
  const { data, problem, reload } = useResource<Sensor>(
    sensorPath(sensorKey),
    {},
    { on: ['alert'], everyS: 10 },
  );
  if (data === undefined)
    return (
      <div class="view">
        <h1>
          <Name text={sensorKey} />
        </h1>
        <NotLoaded what="the sensor" problem={problem} onRetry={reload} />
      </div>
    );
  return <KnownSensor sensor={data} query={query} onChanged={reload} />;
}

/** The newest values, as they come. */
function useLatest(sensor: Sensor): Pick<Sensor, 'latest' | 'lastSeen'> {
  const { daemon } = usePage();
  const [news, setNews] = useState<Pick<Sensor, 'latest' | 'lastSeen'>>({ latest: [], lastSeen: null });
  useEffect(
    () =>
      daemon.bus.on('sensor', (event) => {
        if (event.key === sensor.key)
          setNews((before) => ({
            latest: withLatest(before.latest, event.latest),
            lastSeen: event.lastSeen ?? before.lastSeen,
          }));
      }),
    [sensor.key],
  );
  return { latest: withLatest(sensor.latest, news.latest), lastSeen: news.lastSeen ?? sensor.lastSeen };
}

/** As many plots as one looks at without having asked for them, and as one request may ask for. */
const PLOTTED = 3;
const MOST_PLOTTED = 20;

function KnownSensor({
  sensor,
  query,
  onChanged,
}: {
  readonly sensor: Sensor;
  readonly query: Route['query'];
  readonly onChanged: () => void;
}) {
  const { navigation } = usePage();
  const canWrite = useCanWrite();
  const [dialog, setDialog] = useState<'silence' | 'forget'>();
  const resolved = useResolved(sensor.key);
  const { latest, lastSeen } = useLatest(sensor);
  const names = latest.map(({ metric }) => metric);
  const asked = query['metrics'];
  const chosen = asked === undefined ? names.slice(0, PLOTTED) : namesOfText(asked).slice(0, MOST_PLOTTED);
  const toggle = (metric: string): void => {
    const next = chosen.includes(metric) ? chosen.filter((one) => one !== metric) : [...chosen, metric];
    navigation.change({ metrics: textOfNames(names.filter((name) => next.includes(name))) });
  };
  return (
    <div class="view">
      <div class="view-head">
        <div>
          <h1>
            <Foreign text={sensor.name ?? sensor.key} />
          </h1>
          <p class="facts">
            <SensorStateBadge state={sensor.state} />
            {sensor.name === null ? null : (
              <span>
                <Name text={sensor.key} />
              </span>
            )}
            {sensor.location === null ? null : (
              <Link view="sensors" query={{ location: sensor.location }}>
                <Name text={sensor.location} />
              </Link>
            )}
            {sensor.type === null ? null : (
              <span>
                <Name text={sensor.type} />
              </span>
            )}
            {sensor.tags.map((tag) => (
              <span class="tag" key={tag}>
                <Name text={tag} most={40} />
              </span>
            ))}
            <span>
              {lastSeen === null ? (
                'has never sent'
              ) : (
                <>
                  heard <Ago at={lastSeen} />
                </>
              )}
            </span>
          </p>
        </div>
        {canWrite ? (
          <span class="buttons">
            <button type="button" class="button" onClick={() => setDialog('silence')}>
              Silence
            </button>
            <button type="button" class="button" onClick={() => setDialog('forget')}>
              Forget …
            </button>
          </span>
        ) : null}
      </div>
      {sensor.state === 'silent' ? (
        <Notice tone="warning">
          <strong>It stopped sending.</strong>
          <span>
            {lastSeen === null ? null : (
              <>
                Its last reading is of <At at={lastSeen} />.{' '}
              </>
            )}
            Look at its battery, its power and its radio; when it sends again, this goes away by itself.
          </span>
        </Notice>
      ) : null}
      <div class="tiles latest" data-list="latest">
        {latest.map((one) => {
          const { number, unit } = formatValue(one.value, { metric: one.metric, unit: one.unit });
          return (
            <Figure
              key={one.metric}
              label={visible(metricName(one.metric))}
              value={number}
              unit={unit}
              note={
                <label class="check small">
                  <input
                    type="checkbox"
                    checked={chosen.includes(one.metric)}
                    disabled={chosen.length >= MOST_PLOTTED && !chosen.includes(one.metric)}
                    onChange={() => toggle(one.metric)}
                  />
                  <span>
                    Plot<span class="unseen"> {visible(metricName(one.metric))}</span>
                    {unitMeaning(unit) === undefined ? null : (
                      <span class="unseen">, {unitMeaning(unit)}</span>
                    )}
                  </span>
                </label>
              }
            />
          );
        })}
      </div>
      <RecentAlerts sensor={sensor} resolved={resolved.data} />
      <Plots sensor={sensor} metrics={chosen} query={query} />
      <div class="columns">
        <OwnAlerts sensor={sensor} resolved={resolved} onDone={onChanged} />
        <Limits sensor={sensor} />
      </div>
      <SensorSummary sensor={sensor} />
      {dialog === 'silence' ? (
        <SilenceDialog
          matchers={{ sensor: patternOf(sensor.key) }}
          onClose={() => setDialog(undefined)}
          onDone={onChanged}
        />
      ) : null}
      {dialog === 'forget' ? <ForgetDialog sensor={sensor} onClose={() => setDialog(undefined)} /> : null}
    </div>
  );
}

function SensorSummary({ sensor }: { readonly sensor: Sensor }) {
  return (
    <Card title="About this sensor">
      <dl class="pairs">
        <dt>Key</dt>
        <dd>
          <Foreign text={sensor.key} />
        </dd>
        {sensor.aliases.length === 0 ? null : (
          <>
            <dt>Former keys</dt>
            <dd>
              <Foreign text={sensor.aliases.join(', ')} />
            </dd>
          </>
        )}
        <dt>Registered</dt>
        <dd>
          <At at={sensor.createdAt} /> ({sensor.declared ? 'from the configuration' : 'by its first reading'})
        </dd>
        <dt>Oldest reading kept</dt>
        <dd>{sensor.firstSeen === null ? 'none' : <At at={sensor.firstSeen} />}</dd>
        <dt>Newest reading</dt>
        <dd>{sensor.lastSeen === null ? 'none' : <At at={sensor.lastSeen} />}</dd>
      </dl>
    </Card>
  );
}
