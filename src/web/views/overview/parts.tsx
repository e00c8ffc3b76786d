import type { Status } from '../../../api/contract/status.ts';
import { Badge, type Tone } from '../../components/badge.tsx';
import { Card } from '../../components/card.tsx';
import type { IconName } from '../../components/icon.tsx';
import { Link } from '../../components/link.tsx';
import { Foreign } from '../../components/text.tsx';
import { Ago, Lasting } from '../../components/time.tsx';
import { bytesText } from '../../format/bytes.ts';
import { counted, formatCount, shareText } from '../../format/number.ts';

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

export function Parts({ status }: { readonly status: Status }) {
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
