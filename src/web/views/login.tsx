import { useState } from 'preact/hooks';
import type { Session } from '../../api/contract/session.ts';
import { Card } from '../components/card.tsx';
import { Notice, ProblemNotice } from '../components/notice.tsx';
import { Name } from '../components/text.tsx';
import { At } from '../components/time.tsx';
import { usePage } from '../context.ts';
import { useStore } from '../hooks.ts';
import { asProblem } from '../rest/client.ts';
import type { ApiProblem } from '../rest/problem.ts';

export function LoginView() {
  const { daemon } = usePage();
  const session = useStore(daemon.session);
  return (
    <div class="view narrow">
      <h1>Log in</h1>
      {session?.name ? <LoggedIn session={session} /> : null}
      {session === undefined || session.tokens ? <TokenForm /> : <NoTokens />}
      <Card title="Who may do what">
        <dl class="pairs">
          <dt>Without a token</dt>
          <dd>Looks at everything, on this machine only.</dd>
          <dt>viewer</dt>
          <dd>Looks at everything, from anywhere.</dd>
          <dt>operator</dt>
          <dd>
            Also acknowledges and resolves alerts, silences, runs the policy check, tries dead letters again,
            learns, and forgets sensors. What was done is kept with the name of the token.
          </dd>
        </dl>
      </Card>
    </div>
  );
}

function LoggedIn({ session }: { readonly session: Session }) {
  const { daemon, toasts, navigation } = usePage();
  const leave = async (): Promise<void> => {
    try {
      await daemon.client.delete('session');
      toasts.show('ok', 'You are logged out.');
      await daemon.enter();
      navigation.go(navigation.href('overview'));
    } catch (error) {
      toasts.show('critical', asProblem(error).message);
    }
  };
  return (
    <Notice tone="ok">
      <span>
        You are <Name text={session.name ?? ''} />, <b>{session.role}</b>
        {session.expiresAt === null ? null : (
          <>
            , until <At at={session.expiresAt} />
          </>
        )}
        .
      </span>
      <span>
        <button type="button" class="button small" onClick={() => void leave()}>
          Log out
        </button>
      </span>
    </Notice>
  );
}

function TokenForm() {
  const { daemon, navigation, toasts } = usePage();
  const [problem, setProblem] = useState<ApiProblem>();
  const [busy, setBusy] = useState(false);
  const submit = async (token: string): Promise<void> => {
    setBusy(true);
    setProblem(undefined);
    try {
      const session = await daemon.client.post<Session>('session', { token: token.trim() });
      toasts.show('ok', `You are logged in as ${session.name ?? 'unknown'}, ${session.role ?? 'viewer'}.`);
      await daemon.enter();
      if (navigation.route.value.view === 'login') navigation.go(navigation.href('overview'));
    } catch (error) {
      setProblem(asProblem(error));
    }
    setBusy(false);
  };
  return (
    <Card title="With a token">
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          const token = new FormData(event.currentTarget).get('token');
          if (typeof token === 'string' && !busy) void submit(token);
        }}
      >
        <div class="field">
          <label for="token">Token</label>
          <input
            id="token"
            name="token"
            type="password"
            class="input"
            required
            autocomplete="current-password"
            spellcheck={false}
            aria-describedby="token-hint"
          />
          <span class="hint" id="token-hint">
            One of those in the file that <code>http.token_file</code> names. The browser gets a cookie for
            this session; the token itself is not kept.
          </span>
        </div>
        {problem === undefined ? null : <ProblemNotice problem={problem} />}
        <div class="buttons">
          <button type="submit" class="button primary" disabled={busy}>
            {busy ? 'One moment …' : 'Log in'}
          </button>
        </div>
      </form>
    </Card>
  );
}

const NoTokens = () => (
  <Notice tone="info">
    <strong>No tokens are configured.</strong>
    <span>
      On this machine the page shows everything and changes nothing. To change something from the page, or to
      open it from another machine, set <code>http.token_file</code>.
    </span>
  </Notice>
);
