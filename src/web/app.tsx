import type { FunctionComponent } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { Account } from './components/account.tsx';
import { AnnounceButton } from './components/announce-dialog.tsx';
import { Icon, type IconName } from './components/icon.tsx';
import { LinkBanner, LinkState } from './components/link-state.tsx';
import { Link } from './components/link.tsx';
import { Empty } from './components/notice.tsx';
import { ToastList } from './components/toasts.tsx';
import { usePage } from './context.ts';
import { useSelected, useStore } from './hooks.ts';
import type { LinkedView } from './navigation.ts';
import type { Route, ViewName } from './router.ts';
import type { Theme } from './theme.ts';
import { AlertView } from './views/alert.tsx';
import { AlertsView } from './views/alerts.tsx';
import { DeadLettersView } from './views/dead-letters.tsx';
import { LoginView } from './views/login.tsx';
import { OverviewView } from './views/overview.tsx';
import { PoliciesView } from './views/policies.tsx';
import { SensorView } from './views/sensor.tsx';
import { SensorsView } from './views/sensors.tsx';
import { SetupView } from './views/setup.tsx';

export type View = FunctionComponent<{ readonly query: Route['query'] }>;

const VIEWS: Readonly<Record<ViewName, { readonly title: string; readonly view: View }>> = {
  overview: { title: 'Overview', view: OverviewView },
  sensors: { title: 'Sensors', view: SensorsView },
  sensor: { title: 'Sensor', view: SensorView },
  alerts: { title: 'Alerts', view: AlertsView },
  alert: { title: 'Alert', view: AlertView },
  policies: { title: 'Policies and storage', view: PoliciesView },
  'dead-letters': { title: 'Dead letters', view: DeadLettersView },
  setup: { title: 'Set-up', view: SetupView },
  login: { title: 'Log in', view: LoginView },
  unknown: {
    title: 'Not found',
    view: () => (
      <Empty title="There is no such page.">
        <Link view="overview">Overview</Link>
      </Empty>
    ),
  },
};

interface Entry {
  readonly view: LinkedView;
  readonly long: string;
  readonly short: string;
  /** Views that belong to it. */
  readonly with: readonly ViewName[];
}

const NAVIGATION: readonly Entry[] = [
  { view: 'overview', long: 'Overview', short: 'Now', with: [] },
  { view: 'sensors', long: 'Sensors', short: 'Sensors', with: ['sensor'] },
  { view: 'alerts', long: 'Alerts', short: 'Alerts', with: ['alert'] },
  { view: 'policies', long: 'Policies and storage', short: 'Storage', with: [] },
  { view: 'dead-letters', long: 'Dead letters', short: 'Letters', with: [] },
  { view: 'setup', long: 'Set-up', short: 'Set-up', with: [] },
];

export function App() {
  const { navigation, daemon } = usePage();
  const route = useStore(navigation.route);
  const locked = useStore(daemon.locked);
  const main = useRef<HTMLElement>(null);
  const view = locked ? 'login' : route.view;
  const { title, view: Shown } = VIEWS[view];
  const first = useRef(true);
  useEffect(() => {
    document.title = `${title} · fieldwatch`;
    // A screen reader begins with the new view; the first one is read from the top anyway.
    if (first.current) first.current = false;
    else main.current?.focus();
  }, [view]);
  return (
    <>
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        To the content
      </button>
      <header class="header">
        <div class="header-inner">
          <Link view="overview" class="brand">
            <Logo />
            fieldwatch
          </Link>
          {locked ? <span class="nav" /> : <Navigation view={view} />}
          <div class="header-side">
            <LinkState />
            <AnnounceButton />
            <ThemeButton />
            <Account />
          </div>
        </div>
        <LinkBanner />
      </header>
      <main class="main" ref={main} tabIndex={-1} aria-label={title}>
        <Shown query={route.query} key={view} />
      </main>
      <Footer />
      <ToastList />
    </>
  );
}

function Navigation({ view }: { readonly view: ViewName }) {
  return (
    <nav class="nav" aria-label="Views">
      {NAVIGATION.map((entry) => (
        <Link key={entry.view} view={entry.view} current={entry.view === view || entry.with.includes(view)}>
          <span class="long">{entry.long}</span>
          <span class="short">{entry.short}</span>
          {entry.view === 'alerts' ? <OpenAlerts /> : null}
        </Link>
      ))}
    </nav>
  );
}

/** How many alerts are open, in the colour of the worst. */
function OpenAlerts() {
  const { daemon } = usePage();
  const alerts = useSelected(daemon.status, (status) => status?.alerts);
  if (alerts === undefined || alerts === null) return null;
  const count = alerts.critical + alerts.warning + alerts.info;
  if (count === 0) return null;
  const worst = alerts.critical > 0 ? 'critical' : alerts.warning > 0 ? 'warning' : 'info';
  return (
    <span class={`count ${worst}`}>
      {count > 999 ? '999+' : count}
      <span class="unseen"> open, the worst {worst}</span>
    </span>
  );
}

const THEMES: Readonly<Record<Theme, readonly [IconName, string]>> = {
  auto: ['auto', 'Colours: as the system has them'],
  light: ['sun', 'Colours: light'],
  dark: ['moon', 'Colours: dark'],
};

function ThemeButton() {
  const { theme } = usePage();
  const [icon, label] = THEMES[useStore(theme.theme)];
  return (
    <button type="button" class="icon-button" aria-label={label} title={label} onClick={() => theme.next()}>
      <Icon name={icon} size={18} />
    </button>
  );
}

const Logo = () => (
  <svg width="24" height="24" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
    <rect width="32" height="32" rx="7" fill="#0b4f6c" />
    <path
      d="M4 20h5l3-9 5 13 4-10 2 6h5"
      fill="none"
      stroke="#7fd6ef"
      stroke-width="2.5"
      stroke-linejoin="round"
      stroke-linecap="round"
    />
  </svg>
);

function Footer() {
  const { daemon, time } = usePage();
  const status = useSelected(daemon.status, (one) => one?.version);
  const clientId = useSelected(daemon.status, (one) => one?.clientId);
  const ahead = Math.round(daemon.clockAheadMs / 1000);
  return (
    <footer class="footer">
      Times are local: {time.zoneName(Date.now())}.
      {Math.abs(ahead) < 30
        ? null
        : ` The clock of this machine and the daemon's differ by ${Math.abs(ahead)} s; ages are by the daemon's.`}
      {status === undefined ? null : (
        <>
          {' '}
          fieldwatch {status}, <span class="break">{clientId}</span>.
        </>
      )}
    </footer>
  );
}
