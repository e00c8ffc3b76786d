import { useState } from 'preact/hooks';
import type { Silence, SilenceList } from '../../../api/contract/silences.ts';
import { ReadOnlyNote, useCanWrite } from '../../components/account.tsx';
import { Badge } from '../../components/badge.tsx';
import { Card } from '../../components/card.tsx';
import { Empty } from '../../components/notice.tsx';
import { SilenceDialog } from '../../components/silence-dialog.tsx';
import { TableHead } from '../../components/table-head.tsx';
import { Foreign, Name } from '../../components/text.tsx';
import { Ago, At } from '../../components/time.tsx';
import { usePage } from '../../context.ts';
import { useResource } from '../../hooks.ts';
import { asProblem } from '../../rest/client.ts';
import { LoadedItems } from '../../components/loaded.tsx';

export function Silences() {
  const canWrite = useCanWrite();
  const [adding, setAdding] = useState(false);
  const [all, setAll] = useState(false);
  const silences = useResource<SilenceList>('silences', { all, limit: 500 }, { everyS: 30 });
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
      </div>
      <LoadedItems
        of={silences}
        what="silences"
        empty={<Empty title="Nothing is silenced.">Every alert is notified as its rule says.</Empty>}
      >
        {({ items }) => (
          <table class="table stacking" data-list="silences">
            <TableHead
              columns={[
                'State',
                'Matches',
                'Reason',
                'By',
                'From',
                'Until',
                { label: 'Action', unseen: true },
              ]}
            />
            <tbody>
              {items.map((silence) => (
                <SilenceRow key={silence.id} silence={silence} onDone={silences.reload} canWrite={canWrite} />
              ))}
            </tbody>
          </table>
        )}
      </LoadedItems>
      <div class="card-foot">
        <ReadOnlyNote what="To silence" />
      </div>
      {adding ? (
        <SilenceDialog matchers={{}} onClose={() => setAdding(false)} onDone={silences.reload} />
      ) : null}
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
