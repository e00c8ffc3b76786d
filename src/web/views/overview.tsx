import type { AlertList } from '../../api/contract/alerts.ts';
import type { Status } from '../../api/contract/status.ts';
import { AlertMarks } from '../components/alert-parts.tsx';
import { AlertRows } from '../components/alert-rows.tsx';
import { SeverityBadge, severityTone } from '../components/badge.tsx';
import { Card, Figure } from '../components/card.tsx';
import { Icon, type IconName } from '../components/icon.tsx';
import { Anchor, Link } from '../components/link.tsx';
import { Empty } from '../components/notice.tsx';
import { Sparkline } from '../components/sparkline.tsx';
import { TableHead } from '../components/table-head.tsx';
import { Foreign } from '../components/text.tsx';
import { Ago } from '../components/time.tsx';
import { usePage } from '../context.ts';
import { durationText } from '../format/duration.ts';
import { formatCount, formatNumber, shareText } from '../format/number.ts';
import { useResource, useStore } from '../hooks.ts';
import { Parts } from './overview/parts.tsx';
import { words } from '../format/words.ts';
import { LoadedItems, NotLoaded } from '../components/loaded.tsx';

export function OverviewView() {
  const { daemon } = usePage();
  const status = useStore(daemon.status);
  const problem = useStore(daemon.statusProblem);
  const link = useStore(daemon.link);
  if (status === undefined)
    return (
      <div class="view">
        <h1>Overview</h1>
        <NotLoaded what="the state of the daemon" problem={problem} onRetry={() => daemon.readAgain()} />
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

const VERDICT_ICONS = words<IconName>({
  critical: 'critical',
  warning: 'warning',
  info: 'info',
});

/** One glance: is all well, and if not, why not. */
function VerdictBanner({ status: { verdict } }: { readonly status: Status }) {
  const { navigation } = usePage();
  const { ok, reasons } = verdict;
  const tone = ok ? 'ok' : severityTone(verdict.severity ?? 'info');
  const [first, ...others] = reasons;
  // The first reason is the sentence, and the others follow it.
  const sentence =
    ok || first === undefined ? verdict.sentence : `${verdict.sentence.slice(0, first.text.length)}.`;
  const listed = ok && reasons.length > 1 ? reasons : others;
  const link = listed !== reasons && first?.link ? navigation.hrefOfLink(first.link) : undefined;
  return (
    <section class={`verdict ${tone}`} aria-label="Is all well?">
      <Icon name={verdict.ok ? 'ok' : (VERDICT_ICONS.get(verdict.severity ?? 'info') ?? 'info')} size={30} />
      <div class="verdict-text">
        <p class="verdict-sentence" data-verdict={tone}>
          {link === undefined ? (
            <Foreign text={sentence} />
          ) : (
            <Anchor href={link}>
              <Foreign text={sentence} />
            </Anchor>
          )}
        </p>
        {listed.length === 0 ? null : (
          <ul class="verdict-reasons">
            {listed.map((reason) => (
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
const NOTHING_FIRES = <Empty title="Nothing is firing.">Every value that has a limit is inside it.</Empty>;

function Firing() {
  const open = useResource<AlertList>(
    'alerts',
    { state: 'open', limit: SHOWN + 1 },
    { on: ['alert'], everyS: 30 },
  );
  const more = (open.data?.items.length ?? 0) > SHOWN || open.data?.next;
  return (
    <Card title="Firing now" note="The newest first" flush>
      <LoadedItems of={open} what="alerts" empty={NOTHING_FIRES}>
        {({ items }) => (
          <AlertRows
            items={items.slice(0, SHOWN)}
            name="firing"
            foot={(alert) =>
              alert.ackedAt === null && alert.deferredBy === null ? null : <AlertMarks alert={alert} />
            }
          />
        )}
      </LoadedItems>
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
      <AlertRows items={data.items} name="resolved" />
      <p class="card-foot">
        <Link view="alerts" query={{ tab: 'history' }}>
          All of the history
        </Link>
      </p>
    </Card>
  );
}

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
