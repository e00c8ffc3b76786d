import { useState } from 'preact/hooks';
import type { Alert, AlertOutcome } from '../../api/contract/alerts.ts';
import { usePage } from '../context.ts';
import { parseDuration } from '../format/duration.ts';
import { visible } from '../format/visible.ts';
import { useCanWrite } from './account.tsx';
import { Dialog } from './dialog.tsx';
import { patternOf } from './pattern.ts';
import { Segmented } from './segmented.tsx';
import { SilenceDialog } from './silence-dialog.tsx';

const OUTCOMES: Readonly<Record<AlertOutcome['outcome'], string>> = {
  done: 'Done.',
  already: 'It was acknowledged before.',
  not_open: 'It had ended meanwhile.',
  queued: 'It is queued: the daemon does it as soon as the database answers.',
};

/** The silence that an alert suggests: its sensor and its type. */
const matchersOf = (alert: Alert): Record<string, string> =>
  alert.system
    ? { alert_type: alert.alertType }
    : { sensor: patternOf(alert.sensor), alert_type: alert.alertType };

/** Actions on an open alert; none for roles without the right. */
export function AlertActions({ alert, onDone }: { readonly alert: Alert; readonly onDone: () => void }) {
  const canWrite = useCanWrite();
  const [open, setOpen] = useState<'ack' | 'resolve' | 'silence'>();
  if (!canWrite || alert.state === 'resolved' || alert.alertId === null || alert.system) return null;
  const close = (): void => setOpen(undefined);
  return (
    <span class="buttons">
      {alert.ackedAt === null ? (
        <button type="button" class="button small" onClick={() => setOpen('ack')}>
          Acknowledge
        </button>
      ) : null}
      <button type="button" class="button small" onClick={() => setOpen('silence')}>
        Silence
      </button>
      <button type="button" class="button small" onClick={() => setOpen('resolve')}>
        Resolve
      </button>
      {open === 'silence' ? (
        <SilenceDialog matchers={matchersOf(alert)} onClose={close} onDone={onDone} />
      ) : null}
      {open === 'ack' || open === 'resolve' ? (
        <CommandDialog kind={open} alert={alert} onClose={close} onDone={onDone} />
      ) : null}
    </span>
  );
}

/** After that it is reminded again. */
const ENDS = [
  { key: 'open', label: 'While it is open' },
  { key: '1h', label: '1 hour' },
  { key: '4h', label: '4 hours' },
  { key: '1d', label: '1 day' },
] as const;

const COMMANDS = {
  ack: {
    title: 'Acknowledge',
    text: 'Marks the alert as seen and being handled: reminders stop. It stays open until the value is back.',
  },
  resolve: {
    title: 'Resolve',
    text: 'Ends this alert by hand. If the value is still beyond its limit with the next reading, a new one begins.',
  },
} as const;

function CommandDialog({
  kind,
  alert,
  onClose,
  onDone,
}: {
  readonly kind: 'ack' | 'resolve';
  readonly alert: Alert;
  readonly onClose: () => void;
  readonly onDone: () => void;
}) {
  const { daemon, toasts } = usePage();
  const { title, text } = COMMANDS[kind];
  const [lasts, setLasts] = useState<string>('open');
  const submit = async (form: FormData): Promise<void> => {
    const comment = form.get('comment');
    const forS = kind === 'ack' ? parseDuration(lasts) : undefined;
    const { outcome } = await daemon.client.post<AlertOutcome>(`alerts/${alert.alertId}/${kind}`, {
      comment: typeof comment === 'string' ? comment : '',
      ...(forS === undefined ? {} : { forS }),
    });
    toasts.show(outcome === 'done' ? 'ok' : 'info', `${title}: ${OUTCOMES[outcome]}`);
    daemon.readStatusSoon();
    onDone();
  };
  return (
    <Dialog title={title} action={title} onSubmit={submit} onClose={onClose}>
      <p class="break">{visible(alert.message ?? alert.alertType)}</p>
      <p class="soft">{text}</p>
      {kind === 'ack' ? (
        <div class="field">
          <span class="label">For</span>
          <Segmented legend="For how long" choices={ENDS} value={lasts} onChange={setLasts} />
        </div>
      ) : null}
      <div class="field">
        <label for="comment">Comment</label>
        <input id="comment" name="comment" class="input" maxLength={1000} autocomplete="off" />
      </div>
    </Dialog>
  );
}
