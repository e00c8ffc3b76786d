import type { AlertList } from '../../api/contract/alerts.ts';
import type { Status } from '../../api/contract/status.ts';
import { AlertMarks } from '../components/alert-parts.tsx';
import { AlertRows } from '../components/alert-rows.tsx';
import { Badge, SeverityBadge, type Tone, severityTone } from '../components/badge.tsx';
import { Card, Figure } from '../components/card.tsx';
import { Icon, type IconName } from '../components/icon.tsx';
import { Anchor, Link } from '../components/link.tsx';
import { Empty, Loading, ProblemNotice } from '../components/notice.tsx';
import { Sparkline } from '../components/sparkline.tsx';
import { TableHead } from '../components/table-head.tsx';
import { Foreign } from '../components/text.tsx';
import { Ago, Lasting } from '../components/time.tsx';
import { usePage } from '../context.ts';
import { bytesText } from '../format/bytes.ts';
import { durationText } from '../format/duration.ts';
import { counted, formatCount, formatNumber, shareText } from '../format/number.ts';
import { useResource, useStore } from '../hooks.ts';

export function OverviewView() {
  const { daemon } = usePage();
  const status = useStore(daemon.status);
  const problem = useStore(daemon.statusProblem);
  const link = useStore(daemon.link);
  if (status === undefined)
    return (
      <div class="view">
        <h1>Overview</h1>
        {problem === undefined ? (
          <Loading what="the state of the daemon" />
        ) : (
          <ProblemNotice problem={problem} onRetry={() => daemon.readAgain()} />
        )}
      </div>
    );
  return (
    <div class={`view ${link.state === 'broken' ? 'stale' : ''}`}>
      <h1 class="unseen">Overview</h1>
      <VerdictBanner status={status} />
      <Tiles status={status} />
      <div class="columns wide-left">
        <div class="stack">
          <Firing />
          <Resolved />
        </div>
        <Parts status={status} />
      </div>
      <Accounting status={status} />
    </div>
  );
}

const VERDICT_ICONS: Readonly<Record<string, IconName>> = {
  critical: 'critical',
  warning: 'warning',
  info: 'info',
};

/** One glance: is all well, and if not, why not. */
function VerdictBanner({ status: { verdict } }: { readonly status: Status }) {
  const { navigation } = usePage();
  const tone = verdict.ok ? 'ok' : severityTone(verdict.severity ?? 'info');
  const [only, ...others] = verdict.reasons;
  const link = others.length === 0 && only?.link ? navigation.hrefOfLink(only.link) : undefined;
  return (
    <section class={`verdict ${tone}`} aria-label="Is all well?">
      <Icon name={verdict.ok ? 'ok' : (VERDICT_ICONS[verdict.severity ?? 'info'] ?? 'info')} size={30} />
      <div class="verdict-text">
        <p class="verdict-sentence" data-verdict={tone}>
          {link === undefined ? (
            <Foreign text={verdict.sentence} />
          ) : (
            <Anchor href={link}>
              <Foreign text={verdict.sentence} />
            </Anchor>
          )}
        </p>
        {others.length === 0 ? null : (
          <ul class="verdict-reasons">
            {verdict.reasons.map((reason) => (
              <li key={reason.text}>
                <Reason {...reason} />
              </li>
            ))}
          </ul>
        )}
      </div>
    </section>
  );
}

function Reason({ severity, text, link }: Status['verdict']['reasons'][number]) {
  const { navigation } = usePage();
  const href = link === null ? undefined : navigation.hrefOfLink(link);
  return (
    <>
      <SeverityBadge severity={severity} />{' '}
      {href === undefined ? (
        <Foreign text={text} />
      ) : (
        <Anchor href={href}>
          <Foreign text={text} />
        </Anchor>
      )}
    </>
  );
}

function Tiles({ status }: { readonly status: Status }) {
  const { daemon } = usePage();
  const history = useStore(daemon.intake);
  const { alerts, sensors, intake, deadLetters } = status;
  const open = alerts === null ? null : alerts.critical + alerts.warning + alerts.info;
  const bySeverity =
    alerts === null
      ? 'The database does not answer.'
      : [
          alerts.critical > 0 ? `${alerts.critical} critical` : '',
          alerts.warning > 0 ? `${alerts.warning} warning` : '',
          alerts.info > 0 ? `${alerts.info} info` : '',
          alerts.pending > 0 ? `${alerts.pending} pending` : '',
        ]
          .filter((part) => part !== '')
          .join(', ') || 'Every value is inside its limits.';
  return (
    <div class="tiles">
      <Figure
        label="Alerts firing"
        value={open === null ? '–' : formatCount(open)}
        tone={alerts !== null && alerts.critical > 0 ? 'bad' : open !== null && open > 0 ? 'warn' : ''}
        note={
          <>
            {bySeverity} <Link view="alerts">Alerts</Link>
          </>
        }
      />
      <Figure
        label="Sensors silent"
        value={sensors === null ? '–' : formatCount(sensors.silent)}
        tone={sensors !== null && sensors.silent > 0 ? 'warn' : ''}
        note={
          sensors === null ? (
            'The database does not answer.'
          ) : (
            <>
              of {formatCount(sensors.total)}: they stopped sending.{' '}
              <Link view="sensors" query={{ state: sensors.silent > 0 ? 'silent' : undefined }}>
                Sensors
              </Link>
            </>
          )
        }
      />
      <Figure
        label="Messages"
        value={formatNumber(intake.perSecond, intake.perSecond < 10 && intake.perSecond > 0 ? 1 : 0)}
        unit="per second"
        note={
          <span class="tile-spark">
            <span>Last {durationText(Math.max(history.length, 1))}</span>
            <Sparkline values={history} />
          </span>
        }
      />
      <Figure
        label="Dead letters"
        value={deadLetters === null ? '–' : formatCount(deadLetters.lastDay)}
        tone={deadLetters !== null && deadLetters.lastDay > 0 ? 'warn' : ''}
        note={
          <>
            In 24 hours: messages that could not be read. <Link view="dead-letters">Look</Link>
          </>
        }
      />
    </div>
  );
}

const SHOWN = 8;

function Firing() {
  const { data, problem, reload } = useResource<AlertList>(
    'alerts',
    { state: 'open', limit: SHOWN + 1 },
    { on: ['alert'], everyS: 30 },
  );
  const more = (data?.items.length ?? 0) > SHOWN || data?.next;
  return (
    <Card title="Firing now" note="The newest first" flush>
      {problem === undefined ? null : (
        <div class="card-body">
          <ProblemNotice problem={problem} onRetry={reload} />
        </div>
      )}
      {data === undefined ? (
        problem === undefined ? (
          <Loading what="alerts" />
        ) : null
      ) : data.items.length === 0 ? (
        <Empty title="Nothing is firing.">Every value that has a limit is inside it.</Empty>
      ) : (
        <AlertRows
          items={data.items.slice(0, SHOWN)}
          name="firing"
          foot={(alert) =>
            alert.ackedAt === null && alert.deferredBy === null ? null : <AlertMarks alert={alert} />
          }
        />
      )}
      {more ? (
        <p class="card-foot">
          <Link view="alerts">All alerts</Link>
        </p>
      ) : null}
    </Card>
  );
}

const RESOLVED_SHOWN = 5;

/** Alerts of the last day that are over. */
function Resolved() {
  const { data } = useResource<AlertList>(
    'alerts',
    { state: 'resolved', from: '24h', limit: RESOLVED_SHOWN },
    { on: ['alert'], everyS: 60 },
  );
  if (data === undefined || data.items.length === 0) return null;
  return (
    <Card title="Resolved in the last 24 hours" note="The newest first" flush>
      <AlertRows items={data.items} name="resolved" foot={() => null} />
      <p class="card-foot">
        <Link view="alerts" query={{ tab: 'history' }}>
          All of the history
        </Link>
      </p>
    </Card>
  );
}

interface Part {
  readonly name: string;
  readonly tone: Tone;
  readonly word: string;
  readonly text: string | null;
}

const TONE_ICONS: Readonly<Record<Tone, IconName>> = {
  ok: 'ok',
  info: 'info',
  warning: 'warning',
  critical: 'critical',
  neutral: 'info',
};

function Parts({ status }: { readonly status: Status }) {
  const { policies } = status;
  return (
    <Card title="Parts" note="What the daemon works with" flush>
      <ul class="parts">
        {partsOf(status).map(({ name, tone, word, text }) => (
          <li key={name}>
            <span class="part-name">{name}</span>
            <Badge tone={tone} icon={TONE_ICONS[tone]}>
              {word}
            </Badge>
            <span class="soft small break">
              {text === null ? null : <Foreign text={text} />}
              {name === 'Policies' && policies?.checkedAt ? (
                <>
                  {' '}
                  Checked <Ago at={policies.checkedAt} />. <Link view="policies">Look</Link>
                </>
              ) : null}
            </span>
          </li>
        ))}
      </ul>
      <p class="card-foot soft small">
        Running for <Lasting from={status.startedAt} to={null} />
      </p>
    </Card>
  );
}

function partsOf(status: Status): readonly Part[] {
  const { broker, database, spool, policies, notifications } = status;
  const parts: Part[] = [];
  const subscribed = broker.state === 'subscribed';
  parts.push({
    name: 'Broker',
    tone: subscribed ? (broker.refusedFilters > 0 ? 'warning' : 'ok') : 'critical',
    word: subscribed ? 'Subscribed' : broker.state,
    text: subscribed
      ? `${broker.host}${broker.embedded ? ', embedded' : ''}${broker.refusedFilters > 0 ? `; it refuses ${counted(broker.refusedFilters, 'topic filter')}` : ''}`
      : (broker.detail ?? 'No messages arrive.'),
  });
  parts.push({
    name: 'Database',
    tone: database.connected ? 'ok' : 'critical',
    word: database.connected ? 'Connected' : 'Away',
    text: database.connected
      ? `${database.host}${database.embedded ? ', embedded' : ''}`
      : `${database.detail ?? 'It does not accept writes.'} Readings wait in the spool; alerts are sent nevertheless.`,
  });
  if (spool !== null)
    parts.push({
      name: 'Spool',
      tone: spool.detail !== null || spool.parked > 0 ? 'warning' : spool.items > 0 ? 'info' : 'ok',
      word: spool.items === 0 ? 'Empty' : `${formatCount(spool.items)} waiting`,
      text:
        spool.detail ??
        (spool.items === 0
          ? 'Nothing waits on disk for the database.'
          : `${bytesText(spool.sizeBytes)} on disk, ${shareText(spool.sizeBytes, spool.limitBytes)} of what it may take.`),
    });
  if (policies !== null) {
    const faults = policies.errors + policies.warnings;
    parts.push({
      name: 'Policies',
      tone: policies.errors > 0 ? 'critical' : policies.warnings > 0 ? 'warning' : 'ok',
      word: faults === 0 ? 'As declared' : counted(faults, 'finding'),
      text: faults === 0 ? 'Compression, retention and aggregates do what is configured.' : null,
    });
  }
  parts.push(sinksPart(notifications));
  return parts;
}

function sinksPart(sinks: Status['notifications']): Part {
  const name = 'Notifications';
  if (sinks.length === 0)
    return {
      ...{ name, tone: 'neutral', word: 'None configured' },
      text: 'Alerts are in the alert log and on this page.',
    };
  const failing = sinks.flatMap(({ sink, detail }) => (detail === null ? [] : `${sink}: ${detail}`));
  return failing.length === 0
    ? {
        name,
        tone: 'ok',
        word: 'Accepted',
        text: sinks.map(({ sink, kind }) => sinkText(sink, kind)).join(', '),
      }
    : {
        name,
        tone: 'critical',
        word: `${counted(failing.length, 'sink')} failing`,
        text: failing.join('; '),
      };
}

/** A sink without a name of its own has that of its kind. */
const sinkText = (sink: string, kind: string): string => (sink === kind ? sink : `${sink} (${kind})`);

/** Everything is counted: what came in is what became of it. */
function Accounting({ status: { intake, startedAt } }: { readonly status: Status }) {
  const rows: readonly (readonly [label: string, count: number, meaning: string])[] = [
    ['Stored', intake.stored, 'readings that are in the database'],
    ['Duplicate', intake.duplicate, 'readings that were there already: a message that came twice'],
    ['Merged', intake.lateMerged, 'readings that added values to a stored one of the same time'],
    ['In conflict', intake.conflict, 'readings that contradict a stored one; they are dead letters'],
    ['Dead letters', intake.deadLettered, 'messages that could not be read; they are kept'],
    ['Filtered', intake.filtered, 'messages that were dropped on purpose, or fit no route'],
    ['In flight', intake.inFlight, 'received, not yet stored and not yet acknowledged to the broker'],
  ];
  return (
    <Card
      title="What became of it"
      note={
        <>
          {formatCount(intake.received)} received since <Ago at={startedAt} />
        </>
      }
      flush
    >
      <div class="table-scroll">
        <table class="table stacking">
          <TableHead
            columns={[
              'Became',
              { label: 'Count', number: true },
              { label: 'Share', number: true },
              'Meaning',
            ]}
          />
          <tbody>
            {rows
              .filter(([label, count]) => count > 0 || label === 'Stored' || label === 'In flight')
              .map(([label, count, meaning]) => (
                <tr key={label}>
                  <td data-label="Became">{label}</td>
                  <td data-label="Count" class="number">
                    {formatCount(count)}
                  </td>
                  <td data-label="Share" class="number">
                    {shareText(count, intake.received)}
                  </td>
                  <td data-label="Meaning" class="soft">
                    {meaning}
                  </td>
                </tr>
              ))}
          </tbody>
        </table>
      </div>
    </Card>
  );
}
