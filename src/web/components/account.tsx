import { usePage } from '../context.ts';
import { Name } from './text.tsx';
import { useStore } from '../hooks.ts';
import { Link } from './link.tsx';
import { Icon } from './icon.tsx';

/** Name and role of the session; the way to another role. */
export function Account() {
  const { daemon } = usePage();
  const session = useStore(daemon.session);
  if (session === undefined || !session.tokens) return null;
  return (
    <Link view="login" class="icon-button account">
      <Icon name="user" size={18} />
      <span class="unseen">
        {session.name === null ? (
          'Log in'
        ) : (
          <>
            Logged in as <Name text={session.name} />, {session.role}
          </>
        )}
      </span>
    </Link>
  );
}

/** Why something is not offered here: nothing for an operator. */
export function ReadOnlyNote({ what }: { readonly what: string }) {
  const { daemon } = usePage();
  const session = useStore(daemon.session);
  if (session === undefined || session.canWrite) return null;
  return (
    <p class="soft small">
      {session.tokens ? (
        <>
          {what} needs a token of the role <b>operator</b>
          {session.name === null
            ? '; without a token this page only shows. '
            : `; yours is ${session.role}. `}
          <Link view="login">Log in</Link>
        </>
      ) : (
        <>
          This page only shows: no token is configured. {what} needs <code>http.token_file</code> with a token
          of the role operator, or the command line.
        </>
      )}
    </p>
  );
}

export const useCanWrite = (): boolean => {
  const { daemon } = usePage();
  return useStore(daemon.session)?.canWrite ?? false;
};
