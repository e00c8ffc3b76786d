import type { Alert, AlertList } from '../../../api/contract/alerts.ts';
import { ReadOnlyNote } from '../../components/account.tsx';
import { AlertActions } from '../../components/alert-actions.tsx';
import { AlertMarks } from '../../components/alert-parts.tsx';
import { AlertRows } from '../../components/alert-rows.tsx';
import { Card } from '../../components/card.tsx';
import { Empty } from '../../components/notice.tsx';
import { useResource } from '../../hooks.ts';
import type { Query } from '../../rest/client.ts';
import { Feed } from './feed.tsx';
import { LoadedItems } from '../../components/loaded.tsx';

export function OpenAlerts({ filters }: { readonly filters: Query }) {
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
          <LoadedItems
            of={open}
            what="alerts"
            empty={<Empty title="Nothing is firing.">Every value that has a limit is inside it.</Empty>}
          >
            {({ items }) => <AlertItems items={items} onDone={changed} name="open" />}
          </LoadedItems>
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
