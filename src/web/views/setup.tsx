import { useEffect, useState } from 'preact/hooks';
import type { ConfigInEffect } from '../../api/contract/config.ts';
import type { Learning } from '../../api/contract/learn.ts';
import type { RouteList } from '../../api/contract/routes.ts';
import { ReadOnlyNote, useCanWrite } from '../components/account.tsx';
import { Badge } from '../components/badge.tsx';
import { Card } from '../components/card.tsx';
import { CodeBlock } from '../components/copy.tsx';
import { Link } from '../components/link.tsx';
import { Empty, Loading, Notice, ProblemNotice } from '../components/notice.tsx';
import { TableHead } from '../components/table-head.tsx';
import { Foreign, Name } from '../components/text.tsx';
import { Ago } from '../components/time.tsx';
import { usePage } from '../context.ts';
import { durationText } from '../format/duration.ts';
import { counted, formatCount } from '../format/number.ts';
import { useResource } from '../hooks.ts';
import { asProblem } from '../rest/client.ts';
import type { ApiProblem } from '../rest/problem.ts';
import { LoadedItems } from '../components/loaded.tsx';

export function SetupView() {
  return (
    <div class="view">
      <div class="view-head">
        <div>
          <h1>Set-up</h1>
          <p>What the daemon listens to, what it could listen to, and its configuration.</p>
        </div>
      </div>
      <Routes />
      <Learn />
      <Configuration />
    </div>
  );
}

function Routes() {
  const routes = useResource<RouteList>('routes', {}, { everyS: 10 });
  return (
    <Card
      title="Routes"
      note="Which messages become readings, and how; the first that matches a topic reads it"
      flush
    >
      <LoadedItems
        of={routes}
        what="the routes"
        empty={<Empty title="No routes.">Let the daemon learn one below.</Empty>}
      >
        {({ items }) => (
          <table class="table stacking" data-list="routes">
            <TableHead
              columns={[
                'Topics',
                'Read as',
                { label: 'Messages', number: true },
                { label: 'Not read', number: true },
                'Last message',
              ]}
            />
            <tbody>
              {items.map((route, index) => (
                <tr key={`${index} ${route.name}`}>
                  <td data-label="Topics" class="break">
                    {route.topics.map((topic) => (
                      <div key={topic}>
                        <code>
                          <Foreign text={topic} />
                        </code>
                      </div>
                    ))}
                  </td>
                  <td data-label="Read as">
                    {route.codec}
                    {route.preset === null ? '' : ` (preset ${route.preset})`}
                  </td>
                  <td data-label="Messages" class="number">
                    {formatCount(route.messages)}
                  </td>
                  <td data-label="Not read" class="number">
                    {route.refused === 0 ? 0 : <Link view="dead-letters">{formatCount(route.refused)}</Link>}
                  </td>
                  <td data-label="Last message">
                    {route.lastMessageAt === null ? (
                      <span class="soft">none since the start</span>
                    ) : (
                      <Ago at={route.lastMessageAt} />
                    )}{' '}
                    {route.silent ? (
                      <Badge tone="warning" icon="silent">
                        Stopped
                      </Badge>
                    ) : null}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </LoadedItems>
    </Card>
  );
}

const TIMES = [
  { seconds: 30, label: '30 seconds' },
  { seconds: 120, label: '2 minutes' },
  { seconds: 600, label: '10 minutes' },
  { seconds: 3600, label: '1 hour' },
] as const;

/** Listens to the broker and proposes a configuration. */
function Learn() {
  const { daemon, kept } = usePage();
  const canWrite = useCanWrite();
  const [learning, setLearning] = useState<Learning | undefined>(
    kept.get('learning') as Learning | undefined,
  );
  const [problem, setProblem] = useState<ApiProblem>();
  const keep = (next: Learning): void => {
    kept.set('learning', next);
    setLearning(next);
    setProblem(undefined);
  };
  const forget = (): void => {
    kept.delete('learning');
    setLearning(undefined);
  };
  useEffect(() => {
    if (learning?.state !== 'listening') return;
    const timer = setTimeout(() => {
      daemon.client.get<Learning>(`learn/${learning.id}`).then(keep, (error: unknown) => {
        const found = asProblem(error);
        setProblem(found);
        // The daemon was restarted meanwhile: nothing listens any more.
        if (found.status === 404) forget();
      });
    }, 1000);
    return () => clearTimeout(timer);
  }, [learning, problem]);
  const start = (form: FormData): void => {
    const filters = String(form.get('filters') as string)
      .split(/[\s,]+/)
      .filter((filter) => filter !== '');
    daemon.client
      .post<Learning>('learn', {
        seconds: Number(form.get('seconds')),
        filters: filters.length === 0 ? ['#'] : filters,
      })
      .then(keep, (error: unknown) => setProblem(asProblem(error)));
  };
  const end = (id: string): void => {
    daemon.client
      .delete<Learning>(`learn/${id}`)
      .then(keep, (error: unknown) => setProblem(asProblem(error)));
  };
  const listening = learning?.state === 'listening';
  return (
    <Card
      title="Learn"
      note="Listens to the broker for a while and writes the configuration for what it hears"
    >
      <div class="stack">
        <ReadOnlyNote what="To learn" />
        {canWrite ? (
          <form
            class="filters learn"
            onSubmit={(event) => {
              event.preventDefault();
              start(new FormData(event.currentTarget));
            }}
          >
            <div class="field wide">
              <label for="filters">Topic filters</label>
              <input
                id="filters"
                name="filters"
                class="input mono"
                defaultValue="#"
                autocomplete="off"
                spellcheck={false}
                aria-describedby="filters-hint"
              />
              <span class="hint" id="filters-hint">
                # is everything
              </span>
            </div>
            <div class="field">
              <label for="seconds">For</label>
              <select id="seconds" name="seconds" class="select" defaultValue="120">
                {TIMES.map(({ seconds, label }) => (
                  <option key={seconds} value={seconds} selected={seconds === 120}>
                    {label}
                  </option>
                ))}
              </select>
              <span class="hint">Long enough for each device to send</span>
            </div>
            <button type="submit" class="button primary" disabled={listening}>
              {listening ? 'Listening …' : 'Listen'}
            </button>
            {listening ? (
              <button type="button" class="button" onClick={() => end(learning.id)}>
                Enough
              </button>
            ) : null}
          </form>
        ) : null}
        {problem === undefined ? null : <ProblemNotice problem={problem} />}
        {learning === undefined ? null : <LearningResult learning={learning} />}
      </div>
    </Card>
  );
}

function LearningResult({ learning }: { readonly learning: Learning }) {
  return (
    <div class="stack" data-learning={learning.state}>
      <div role="status">
        <Notice tone={learning.state === 'failed' ? 'critical' : learning.state === 'done' ? 'ok' : 'info'}>
          <strong>
            {learning.state === 'listening'
              ? `Listening for another ${durationText(Math.ceil(learning.remainingS))}`
              : learning.state === 'done'
                ? 'Done'
                : 'It failed'}
          </strong>
          <span>
            {counted(learning.messages, 'message')} on {counted(learning.topics, 'topic')} so far.
          </span>
          {learning.detail === null ? null : <Foreign text={learning.detail} />}
        </Notice>
      </div>
      {learning.routes.length === 0 ? null : (
        <table class="table stacking" data-list="learned">
          <TableHead
            columns={[
              'Recognised',
              { label: 'Devices', number: true },
              { label: 'Messages', number: true },
              'Metrics',
            ]}
          />
          <tbody>
            {learning.routes.map((route) => (
              <tr key={route.name}>
                <td data-label="Recognised" class="break">
                  <Name text={route.name} />
                  {route.hints.map((hint) => (
                    <div class="soft small" key={hint}>
                      <Foreign text={hint} />
                    </div>
                  ))}
                </td>
                <td data-label="Devices" class="number">
                  {formatCount(route.devices)}
                </td>
                <td data-label="Messages" class="number">
                  {formatCount(route.messages)}
                </td>
                <td data-label="Metrics" class="break">
                  <Foreign text={route.metrics.join(', ')} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {learning.notPlaced.length === 0 ? null : (
        <Notice tone="warning">
          <strong>Some messages fit no proposed route.</strong>
          {learning.notPlaced.map((one) => (
            <span class="break" key={one.reason}>
              {counted(one.messages, 'message')}: <Foreign text={one.reason} />, such as{' '}
              <Foreign text={one.examples.join(', ')} />
            </span>
          ))}
        </Notice>
      )}
      {learning.yaml === null ? null : (
        <>
          <p class="soft small">
            Put this into the configuration file and send the daemon SIGHUP; routes and rules change without a
            restart.
          </p>
          <CodeBlock text={learning.yaml} label="Proposed configuration" />
        </>
      )}
    </div>
  );
}

function Configuration() {
  const { data, problem, reload } = useResource<ConfigInEffect>('config');
  return (
    <Card
      title="Configuration in effect"
      note={
        data === undefined ? (
          'Secrets are masked'
        ) : (
          <>
            {data.file === null ? 'No file: defaults and environment' : <Foreign text={data.file} />}, read{' '}
            <Ago at={data.loadedAt} />. Secrets are masked.
          </>
        )
      }
    >
      {problem === undefined ? null : <ProblemNotice problem={problem} onRetry={reload} />}
      {data === undefined ? (
        problem === undefined ? (
          <Loading what="the configuration" />
        ) : null
      ) : (
        <CodeBlock text={data.yaml} label="Configuration in effect" />
      )}
    </Card>
  );
}
