import { usePage } from '../context.ts';
import { durationText } from '../format/duration.ts';
import { useStore } from '../hooks.ts';
import type { Link } from '../live/link.ts';
import { Icon } from './icon.tsx';

const WORDS: Readonly<Record<Link['state'], string>> = {
  connecting: 'Connecting',
  live: 'Live',
  broken: 'No link',
  refused: 'Locked',
  paused: 'Paused',
};

/** Whether what is shown is what is: in the header, in a word. */
export function LinkState() {
  const { daemon } = usePage();
  const { state } = useStore(daemon.link);
  return (
    <span class={`link-state ${state}`} title="Whether this page receives from the daemon" data-link={state}>
      <span class="link-dot" />
      {WORDS[state]}
    </span>
  );
}

/** Over the page, while the daemon is not heard from: what is shown is old. */
export function LinkBanner() {
  const { daemon, now } = usePage();
  const link = useStore(daemon.link);
  const nowMs = useStore(now);
  const outdated = useStore(daemon.outdated);
  if (link.state === 'broken') {
    const since = Math.max(0, (nowMs - daemon.clockAheadMs - link.sinceMs) / 1000);
    return (
      <div class="link-banner" role="alert">
        <span>
          <Icon name="warning" /> No link to the daemon: {link.reason}. What you see is{' '}
          {durationText(Math.floor(since))} old.
        </span>
        {link.retryAtMs === null ? (
          <span>Trying again …</span>
        ) : (
          <button type="button" class="button small" onClick={() => daemon.retryNow()}>
            Try now
          </button>
        )}
      </div>
    );
  }
  if (!outdated) return null;
  return (
    <div class="link-banner notice" role="status">
      <span>The daemon has been updated.</span>
      <button type="button" class="button small" onClick={() => location.reload()}>
        Reload the page
      </button>
    </div>
  );
}
