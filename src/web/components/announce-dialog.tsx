import { useState } from 'preact/hooks';
import { usePage } from '../context.ts';
import { useStore } from '../hooks.ts';
import { Icon } from './icon.tsx';
import { Dialog } from './dialog.tsx';

/** The bell in the header: whether alerts that begin are notified on this machine. */
export function AnnounceButton() {
  const { announcer } = usePage();
  const { desktop, sound } = useStore(announcer.settings);
  const [open, setOpen] = useState(false);
  const on = desktop || sound;
  const label = on ? 'Notifications on this machine: on' : 'Notifications on this machine: off';
  return (
    <>
      <button
        type="button"
        class="icon-button"
        aria-label={label}
        title={label}
        onClick={() => setOpen(true)}
      >
        <Icon name={on ? 'bell' : 'silent'} size={18} />
      </button>
      {open ? <AnnounceDialog onClose={() => setOpen(false)} /> : null}
    </>
  );
}

function AnnounceDialog({ onClose }: { readonly onClose: () => void }) {
  const { announcer, toasts } = usePage();
  const { desktop, sound } = useStore(announcer.settings);
  const submit = async (form: FormData): Promise<void> => {
    announcer.setSound(form.get('sound') !== null);
    const wanted = form.get('desktop') !== null;
    if ((await announcer.setDesktop(wanted)) !== wanted)
      toasts.show('warning', 'The browser does not allow notifications of this page; its settings decide.');
  };
  return (
    <Dialog title="Notifications on this machine" action="Save" onSubmit={submit} onClose={onClose}>
      <p class="soft">
        For alerts of severity warning and critical that begin or get worse, while this page is open in a tab.
        What is silenced is not notified.
      </p>
      <label class="check">
        <input
          type="checkbox"
          name="desktop"
          defaultChecked={desktop}
          disabled={!announcer.desktopPossible}
        />
        <span>
          Desktop notification
          {announcer.desktopPossible ? null : (
            <span class="soft small">
              {' '}
              – browsers allow it only on this machine itself or over HTTPS (<code>http.tls</code>)
            </span>
          )}
        </span>
      </label>
      <label class="check">
        <input type="checkbox" name="sound" defaultChecked={sound} />
        <span>Sound: higher for critical alerts</span>
      </label>
    </Dialog>
  );
}
