import { useState } from 'preact/hooks';
import type { Finding, Policies, Policy } from '../../api/contract/policies.ts';
import type { ChunkList, Relation, Storage } from '../../api/contract/storage.ts';
import { ReadOnlyNote, useCanWrite } from '../components/account.tsx';
import { Badge, SeverityBadge } from '../components/badge.tsx';
import { Card, Figure } from '../components/card.tsx';
import { ChunkPicture } from '../components/chunk-picture.tsx';
import { CodeBlock } from '../components/copy.tsx';
import { Loading, Notice, ProblemNotice } from '../components/notice.tsx';
import { TableHead } from '../components/table-head.tsx';
import { Foreign } from '../components/text.tsx';
import { Ago, At } from '../components/time.tsx';
import { usePage } from '../context.ts';
import { bytesText } from '../format/bytes.ts';
import { durationText } from '../format/duration.ts';
import { counted, formatCount, formatNumber } from '../format/number.ts';
import { useResource } from '../hooks.ts';
import { asProblem } from '../rest/client.ts';
import { NotLoaded } from '../components/loaded.tsx';

export function PoliciesView() {
  const policies = useResource<Policies>('policies', {}, { on: ['finding'], everyS: 60 });
  return (
    <div class="view">
      <div class="view-head">
        <div>
          <h1>Policies and storage</h1>
          <p>What keeps the database small and quick, verified by its effect.</p>
        </div>
        <CheckButton onDone={policies.reload} />
      </div>
      <ReadOnlyNote what="To run the check" />
      {policies.problem === undefined ? null : (
        <ProblemNotice problem={policies.problem} onRetry={policies.reload} />
      )}
      {policies.data === undefined ? (
        policies.problem === undefined ? (
          <Loading what="the policies" />
        ) : null
      ) : (
        <>
          <Findings policies={policies.data} />
          <PolicyTable policies={policies.data.policies} />
        </>
      )}
      <StorageCard />
    </div>
  );
}

function CheckButton({ onDone }: { readonly onDone: () => void }) {
  const { daemon, toasts } = usePage();
  const canWrite = useCanWrite();
  const [busy, setBusy] = useState(false);
  if (!canWrite) return null;
  const check = async (): Promise<void> => {
    setBusy(true);
    try {
      const { findings } = await daemon.client.post<Policies>('policies/check');
      toasts.show(
        findings.length === 0 ? 'ok' : 'warning',
        findings.length === 0
          ? 'Checked: all is as declared.'
          : `Checked: ${counted(findings.length, 'finding')}.`,
      );
      daemon.readStatusSoon();
      onDone();
    } catch (error) {
      toasts.show('critical', asProblem(error).message);
    }
    setBusy(false);
  };
  return (
    <button type="button" class="button" disabled={busy} onClick={() => void check()}>
      {busy ? 'Checking …' : 'Check now'}
    </button>
  );
}

const ROLES: Readonly<Record<Policies['role'], string>> = {
  leader: 'This daemon verifies on its schedule.',
  standby: 'Another daemon verifies; this one takes over when it is away.',
  unknown: 'It is not known yet which daemon verifies.',
  off: 'Scheduling is disabled in the configuration.',
};

const REPAIRS: Readonly<Record<Policies['repair'], string>> = {
  auto: 'What is safe to repair is repaired by itself.',
  suggest: 'Nothing is repaired by itself: the remedies are suggestions.',
  off: 'Nothing is repaired.',
};

function Findings({ policies }: { readonly policies: Policies }) {
  const { findings, checkedAt, error } = policies;
  return (
    <Card
      title="Findings"
      note={
        <>
          {checkedAt === null ? (
            'Not verified by this daemon yet.'
          ) : (
            <>
              Verified <Ago at={checkedAt} />.
            </>
          )}{' '}
          {ROLES[policies.role]} {REPAIRS[policies.repair]}
        </>
      }
    >
      <div class="stack">
        {error === null ? null : (
          <Notice tone="warning">
            <strong>The last verification failed.</strong>
            <Foreign text={error} />
          </Notice>
        )}
        {findings.length === 0 ? (
          <Notice tone={checkedAt === null ? 'info' : 'ok'}>
            <span>
              {checkedAt === null
                ? 'No finding is known.'
                : 'Compression, retention and aggregates exist, run, and keep up.'}
            </span>
          </Notice>
        ) : (
          findings.map((finding) => (
            <OneFinding key={`${finding.check} ${finding.subject}`} finding={finding} />
          ))
        )}
      </div>
    </Card>
  );
}

function OneFinding({ finding }: { readonly finding: Finding }) {
  return (
    <article class="finding" data-finding={finding.check}>
      <span class="alert-line">
        <SeverityBadge severity={finding.severity} />
        <h3>
          <Foreign text={finding.subject} />
        </h3>
        <span class="soft small">{finding.verdict}</span>
      </span>
      <dl class="pairs">
        <dt>Expected</dt>
        <dd>
          <Foreign text={finding.expected} />
        </dd>
        <dt>Found</dt>
        <dd>
          <Foreign text={finding.actual} />
        </dd>
        <dt>Remedy</dt>
        <dd>
          {/^[A-Z]{4,} |^fieldwatch |;$/.test(finding.remedy) ? (
            <CodeBlock text={finding.remedy} label={`Remedy for ${finding.subject}`} wrap />
          ) : (
            <Foreign text={finding.remedy} />
          )}
        </dd>
      </dl>
    </article>
  );
}

const KINDS: Readonly<Record<Policy['policy'], string>> = {
  refresh: 'Refresh',
  compression: 'Compression',
  retention: 'Retention',
};

function PolicyTable({ policies }: { readonly policies: readonly Policy[] }) {
  return (
    <Card title="What runs, and when" note="Every declared policy" flush>
      <table class="table stacking" data-list="policies">
        <TableHead columns={['Table or aggregate', 'Policy', 'Declared', 'State', 'Last run', 'Next run']} />
        <tbody>
          {policies.map((one) => (
            <tr key={`${one.relation} ${one.policy}`}>
              <td data-label="Table">
                <code>{one.relation}</code>
              </td>
              <td data-label="Policy">{KINDS[one.policy]}</td>
              <td data-label="Declared">{one.declared}</td>
              <td data-label="State">
                {one.verdict === 'ok' ? (
                  <Badge tone="ok" icon="ok">
                    As declared
                  </Badge>
                ) : (
                  <Badge tone="warning" icon="warning">
                    {one.verdict}
                  </Badge>
                )}
              </td>
              <td data-label="Last run" class="nowrap">
                {one.lastRun === null ? (
                  <span class="soft">not yet</span>
                ) : (
                  <>
                    <Ago at={one.lastRun} />
                    {one.lastRunOk === false ? ' (reported as failed)' : ''}
                  </>
                )}
              </td>
              <td data-label="Next run">
                {one.nextRun === null ? (
                  <span class="soft">by the daemon, when due</span>
                ) : (
                  <At at={one.nextRun} />
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Card>
  );
}

function StorageCard() {
  const { data, problem, reload } = useResource<Storage>('storage', {}, { everyS: 120 });
  if (data === undefined) return <NotLoaded what="the storage" problem={problem} onRetry={reload} />;
  const before = data.relations.reduce((sum, { beforeBytes }) => sum + (beforeBytes ?? 0), 0);
  const after = data.relations.reduce((sum, { afterBytes }) => sum + (afterBytes ?? 0), 0);
  const rows = data.relations.reduce((sum, one) => sum + one.rows, 0);
  return (
    <>
      <div class="tiles">
        <Figure
          label="On disk"
          value={bytesText(data.sizeBytes)}
          note="Tables, aggregates and their indexes"
        />
        <Figure
          label="Rows"
          value={rows === 0 ? '–' : formatCount(rows)}
          note={
            rows === 0 ? 'Not estimated by the database yet' : 'Estimated from the statistics of the database'
          }
        />
        <Figure
          label="Saved by compression"
          value={after === 0 ? '–' : bytesText(before - after)}
          note={
            after === 0 ? 'Nothing is compressed yet' : `${formatNumber(before / after, 1)} times smaller`
          }
        />
      </div>
      <Card
        title="Chunks"
        note="A chunk holds the rows of a span of time: new ones as they came, older ones compressed, the oldest dropped"
        flush
      >
        <ul class="relations" data-list="relations">
          {data.relations.map((relation) => (
            <OneRelation key={relation.relation} relation={relation} />
          ))}
        </ul>
        <p class="card-foot legend soft small">
          <span>
            <span class="key row" /> as they came
          </span>
          <span>
            <span class="key compressed" /> compressed
          </span>
          <span>
            <span class="key partial" /> compressed, with uncompressed late rows
          </span>
        </p>
      </Card>
    </>
  );
}

/** An estimate of 0 is not shown: the database has not analysed the table yet. */
const rowsText = ({ rows, chunks }: Relation): string =>
  rows === 0 && chunks > 0 ? 'rows not estimated yet' : counted(rows, 'row');

function OneRelation({ relation }: { readonly relation: Relation }) {
  const { data, problem } = useResource<ChunkList>(
    'storage/chunks',
    { relation: relation.relation, limit: 400 },
    { everyS: 300 },
  );
  return (
    <li>
      <div class="relation-head">
        <h3>
          <code>{relation.relation}</code>
        </h3>
        <span class="soft small">
          {bytesText(relation.sizeBytes)}, {rowsText(relation)}, {counted(relation.chunks, 'chunk')},{' '}
          {formatCount(relation.compressed)} compressed
        </span>
      </div>
      {problem === undefined ? null : <ProblemNotice problem={problem} />}
      <ChunkPicture chunks={data?.items} name={relation.relation} />
      <p class="soft small">
        {relation.compressAfterS === null
          ? 'Not compressed'
          : `Compressed after ${durationText(relation.compressAfterS)}`}
        ,{' '}
        {relation.dropAfterS === null
          ? 'kept for ever'
          : `dropped after ${durationText(relation.dropAfterS)}`}
        .
      </p>
    </li>
  );
}
