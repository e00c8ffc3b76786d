/** The link to the daemon, as the page shows it. */
export type Link =
  | { readonly state: 'connecting' }
  | { readonly state: 'live' }
  /** Since when, why, and when the next attempt begins; null while one is under way. */
  | {
      readonly state: 'broken';
      readonly sinceMs: number;
      readonly attempts: number;
      readonly reason: string;
      readonly retryAtMs: number | null;
    }
  /** The daemon asks for a token. */
  | { readonly state: 'refused' }
  /** The page is in the background and needs no news. */
  | { readonly state: 'paused' };

export type LinkEvent =
  | { readonly type: 'start' }
  | { readonly type: 'opened' }
  | { readonly type: 'failed'; readonly nowMs: number; readonly reason: string; readonly retryAtMs: number }
  | { readonly type: 'retrying' }
  | { readonly type: 'refused' }
  | { readonly type: 'pause' };

export function nextLink(link: Link, event: LinkEvent): Link {
  switch (event.type) {
    case 'start':
      return { state: 'connecting' };
    case 'opened':
      return { state: 'live' };
    case 'refused':
      return { state: 'refused' };
    case 'pause':
      return { state: 'paused' };
    case 'retrying':
      return link.state === 'broken' ? { ...link, retryAtMs: null } : { state: 'connecting' };
    case 'failed': {
      const before = link.state === 'broken' ? link : { sinceMs: event.nowMs, attempts: 0 };
      return {
        state: 'broken',
        sinceMs: before.sinceMs,
        attempts: before.attempts + 1,
        reason: event.reason,
        retryAtMs: event.retryAtMs,
      };
    }
  }
}
